-- Purpose: write down what a stage did.
-- Parameters: refresh_id, stage, report. Index: refreshes_pkey.
UPDATE refreshes
SET stages = stages || jsonb_build_object(%(stage)s::text, %(report)s::jsonb)
WHERE refresh_id = %(refresh_id)s
