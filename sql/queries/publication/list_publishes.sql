-- Purpose: the publishes of a collection, the newest first: which of them can be brought back, and which is shown now.
-- Parameters: collection_id. Index: publishes (collection_id, number).
SELECT
    p.number,
    p.published_at,
    p.kind,
    p.restores,
    p.run_id,
    p.space,
    p.counts,
    p.collected_at IS null AS kept,
    p.number = max(p.number) OVER () AS current
FROM publishes AS p
WHERE p.collection_id = %(collection_id)s
ORDER BY p.number DESC
