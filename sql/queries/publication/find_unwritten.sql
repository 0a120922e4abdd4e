-- Purpose: the rollback of a collection that has moved its heads and is not in the ledger yet.
-- Parameters: collection_id. Index: publishes_not_written_down.
SELECT p.publish_id
FROM publishes AS p
WHERE p.collection_id = %(collection_id)s AND NOT p.written_down
