-- Purpose: note the recipe, the audits and the types of a collection's profiles that are in force; null for none.
-- Parameters: collection_id, recipe_id, suite_id, types (JSON). Index: collections_pkey.
UPDATE collections
SET
    profile_recipe_id = %(recipe_id)s,
    profile_suite_id = %(suite_id)s,
    profile_types = %(types)s::jsonb
WHERE
    collection_id = %(collection_id)s
    AND (profile_recipe_id, profile_suite_id, profile_types)
    IS DISTINCT FROM (%(recipe_id)s::integer, %(suite_id)s::integer, %(types)s::jsonb)
