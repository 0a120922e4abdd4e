-- Purpose: keep what the gate decided, in a transaction of its own.
-- Parameters: collection_id, run_id, passed, findings, figures.
INSERT INTO gate_verdicts (collection_id, run_id, passed, findings, figures)
VALUES (%(collection_id)s, %(run_id)s, %(passed)s, %(findings)s::jsonb, %(figures)s::jsonb)
