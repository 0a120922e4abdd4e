-- Purpose: the collections that the database holds, or those of some names.
-- Parameters: names (null for all). Index: collections (name).
SELECT
    collection_id,
    name
FROM collections
WHERE %(names)s::text[] IS null OR name = any(%(names)s::text[])
ORDER BY name
