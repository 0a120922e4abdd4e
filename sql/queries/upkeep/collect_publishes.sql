-- Purpose: note which publishes cannot be brought back any more, before anything of them goes.
-- Parameters: keep_days, keep_publishes. Index: publishes (collection_id, number).
UPDATE publishes AS p
SET collected_at = now()
FROM oldest_kept(%(keep_days)s, %(keep_publishes)s) AS kept
WHERE p.collection_id = kept.collection_id AND p.publish_id < kept.publish_id AND p.collected_at IS null
