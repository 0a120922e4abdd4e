-- Purpose: what was answered already of a parse that is not described yet.
-- Parameters: elements_id, recipe_id. Index: profile_parts_pkey.
SELECT
    asked,
    answer
FROM profile_parts
WHERE elements_id = %(elements_id)s AND recipe_id = %(recipe_id)s
