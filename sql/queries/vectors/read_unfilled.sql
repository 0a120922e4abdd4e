-- Purpose: the collections that readers see and that are not complete in a space.
-- Parameters: space_id. Index: see the function unfilled_collections.
SELECT
    u.collection_id,
    u.name
FROM unfilled_collections(%(space_id)s) AS u
ORDER BY u.name
