-- Purpose: let a chunk set and its parse no longer count as results of their recipes, so that the next refresh parses
-- and cuts the document again; readers keep it until that is published.
-- Parameters: chunk_set_id, recipe_id. Index: chunk_sets_pkey, elements_pkey.
WITH set_aside AS (
    UPDATE chunk_sets
    SET recipe_id = %(recipe_id)s
    WHERE chunk_set_id = %(chunk_set_id)s
    RETURNING elements_id
)

UPDATE elements AS e
SET recipe_id = %(recipe_id)s
FROM set_aside AS s
WHERE e.elements_id = s.elements_id
