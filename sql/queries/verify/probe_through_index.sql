-- Purpose: for the rest of the transaction, leave the planner no way but the index, and let that search widely.
-- Parameters: none.
SELECT
    set_config('enable_seqscan', 'off', true),
    set_config('enable_sort', 'off', true),
    set_config('hnsw.ef_search', '100', true),
    set_config('hnsw.iterative_scan', 'strict_order', true)
