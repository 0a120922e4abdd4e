-- Purpose: the publish whose state readers see, if they see anything of the collection.
-- Parameters: collection_id. Index: publishes (collection_id, number), heads_by_collection_id.
SELECT
    p.publish_id,
    p.number
FROM publishes AS p
WHERE
    p.collection_id = %(collection_id)s
    AND EXISTS (
        SELECT 1 FROM heads AS h
        WHERE h.collection_id = p.collection_id
    )
ORDER BY p.number DESC
LIMIT 1
