-- Purpose: write down what a garbage collection removed.
-- Parameters: run_id, removed, bytes_before, bytes_after, started_at.
INSERT INTO sweeps (run_id, removed, bytes_before, bytes_after, started_at)
VALUES (%(run_id)s, %(removed)s::jsonb, %(bytes_before)s, %(bytes_after)s, %(started_at)s)
