-- Purpose: write down what was measured after a publish, in the line of its run.
-- Parameters: collection_id, run_id, stage, report. Index: refreshes (collection_id, run_id).
UPDATE refreshes
SET stages = stages || jsonb_build_object(%(stage)s::text, %(report)s::jsonb)
WHERE collection_id = %(collection_id)s AND run_id = %(run_id)s
