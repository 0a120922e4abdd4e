-- Purpose: the text of a parse that is claimed, and whether it was settled before it was: described by another run, or
-- tried in vain.
-- Parameters: elements_id, recipe_id. Index: elements_pkey, profiles (elements_id, recipe_id), profile_failures_pkey.
SELECT
    e.elements_id,
    e.text,
    coalesce(e.title, '') AS title,
    coalesce(e.language, 'und') AS language,
    EXISTS (
        SELECT 1 FROM profiles AS p
        WHERE p.elements_id = e.elements_id AND p.recipe_id = %(recipe_id)s
    )
    OR EXISTS (
        SELECT 1 FROM profile_failures AS f
        WHERE f.elements_id = e.elements_id AND f.recipe_id = %(recipe_id)s
    ) AS settled
FROM elements AS e
WHERE e.elements_id = %(elements_id)s
