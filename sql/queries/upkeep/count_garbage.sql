-- Purpose: what a garbage collection would remove, by table.
-- Parameters: keep_days, keep_publishes. Index: none; one pass over the tables.
SELECT
    g.kind,
    count(*) AS removed,
    coalesce(sum((
        SELECT count(*) FROM chunks AS k
        WHERE g.kind = 'chunk_sets' AND k.chunk_set_id = g.id
    )), 0)::bigint AS chunks
FROM garbage(%(keep_days)s, %(keep_publishes)s) AS g
GROUP BY g.kind
