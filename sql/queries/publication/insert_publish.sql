-- Purpose: the next publish of a collection; the lease makes its number safe. It notes the live space. What a
-- rollback moves is written down later.
-- Parameters: collection_id, refresh_id, run_id, kind, restores. Index: publishes (collection_id, number).
INSERT INTO publishes (collection_id, number, refresh_id, run_id, kind, restores, written_down, space)
SELECT
    %(collection_id)s,
    coalesce(max(number), 0) + 1,
    %(refresh_id)s,
    %(run_id)s,
    %(kind)s,
    %(restores)s,
    %(kind)s <> 'rollback',
    (
        SELECT s.name FROM spaces AS s
        WHERE s.live
    )
FROM publishes
WHERE collection_id = %(collection_id)s
RETURNING publish_id, number
