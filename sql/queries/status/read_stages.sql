-- Purpose: the reports of a run's stages.
-- Parameters: run_id. Index: none; a scan of the newest refreshes.
SELECT stages
FROM refreshes
WHERE run_id = %(run_id)s
