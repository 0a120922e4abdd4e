-- Purpose: how many documents of a collection readers see.
-- Parameters: collection_id. Index: heads_by_collection_id.
SELECT count(*) AS heads
FROM heads
WHERE collection_id = %(collection_id)s
