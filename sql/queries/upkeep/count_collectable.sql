-- Purpose: how many publishes a garbage collection would give up.
-- Parameters: keep_days, keep_publishes. Index: publishes (collection_id, number).
SELECT count(*) AS publishes
FROM publishes AS p
INNER JOIN oldest_kept(%(keep_days)s, %(keep_publishes)s) AS kept ON p.collection_id = kept.collection_id
WHERE p.publish_id < kept.publish_id AND p.collected_at IS null
