-- Purpose: what is in force of a collection's profiles.
-- Parameters: name. Index: collections (name).
SELECT
    collection_id,
    profile_recipe_id,
    profile_suite_id,
    profile_types
FROM collections
WHERE name = %(name)s
