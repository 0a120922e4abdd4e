-- Purpose: the ledger's line of a run; a later stage of the same run finds the same line.
-- Parameters: collection_id, run_id. Index: refreshes (collection_id, run_id).
INSERT INTO refreshes (collection_id, run_id)
VALUES (%(collection_id)s, %(run_id)s)
ON CONFLICT (collection_id, run_id) DO UPDATE SET ended_at = null
RETURNING refresh_id, stages
