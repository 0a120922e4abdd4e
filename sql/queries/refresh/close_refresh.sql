-- Purpose: write down how a run ended.
-- Parameters: refresh_id, outcome. Index: refreshes_pkey.
UPDATE refreshes
SET
    ended_at = clock_timestamp(),
    outcome = %(outcome)s
WHERE refresh_id = %(refresh_id)s
