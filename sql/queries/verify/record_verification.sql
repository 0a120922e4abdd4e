-- Purpose: the ledger's line of a comparison. Kinds and numbers only: uris stay out of it, so that an erased document
-- leaves none here.
-- Parameters: collection (null for all), run_id, repaired, findings, started_at.
INSERT INTO verifications (collection, run_id, repaired, findings, started_at)
VALUES (%(collection)s, %(run_id)s, %(repaired)s, %(findings)s::jsonb, %(started_at)s)
