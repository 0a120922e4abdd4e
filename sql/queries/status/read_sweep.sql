-- Purpose: the last garbage collection.
-- Parameters: none. Index: sweeps_pkey.
SELECT
    s.run_id,
    s.removed,
    s.bytes_before,
    s.bytes_after,
    s.ended_at
FROM sweeps AS s
ORDER BY s.sweep_id DESC
LIMIT 1
