-- Purpose: keep an answer until the profile is put together; nothing where the parse was erased meanwhile.
-- Parameters: elements_id, recipe_id, asked, answer (JSON). Index: profile_parts_pkey.
INSERT INTO profile_parts (elements_id, recipe_id, asked, answer)
SELECT
    e.elements_id,
    %(recipe_id)s,
    %(asked)s,
    %(answer)s::jsonb
FROM elements AS e
WHERE e.elements_id = %(elements_id)s
FOR KEY SHARE
ON CONFLICT DO NOTHING
