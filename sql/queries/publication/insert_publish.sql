-- Purpose: the next publish of a collection; the lease makes its number safe.
-- Parameters: collection_id, refresh_id, run_id, kind, restores. Index: publishes (collection_id, number).
INSERT INTO publishes (collection_id, number, refresh_id, run_id, kind, restores)
SELECT
    %(collection_id)s,
    coalesce(max(number), 0) + 1,
    %(refresh_id)s,
    %(run_id)s,
    %(kind)s,
    %(restores)s
FROM publishes
WHERE collection_id = %(collection_id)s
RETURNING publish_id, number
