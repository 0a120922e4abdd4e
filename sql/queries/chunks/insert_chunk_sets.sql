-- Purpose: make chunk sets; one that another refresh made meanwhile is not returned and stays as it is.
-- Parameters: recipe_id, elements_ids. Index: chunk_sets (elements_id, recipe_id).
INSERT INTO chunk_sets (elements_id, recipe_id)
SELECT
    f.elements_id,
    %(recipe_id)s
FROM unnest(%(elements_ids)s::bigint[]) AS f (elements_id)
ON CONFLICT (elements_id, recipe_id) DO NOTHING
RETURNING elements_id, chunk_set_id
