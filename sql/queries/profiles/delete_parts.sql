-- Purpose: forget the answers that a profile was put together from.
-- Parameters: elements_id, recipe_id. Index: profile_parts_pkey.
DELETE FROM profile_parts
WHERE elements_id = %(elements_id)s AND recipe_id = %(recipe_id)s
