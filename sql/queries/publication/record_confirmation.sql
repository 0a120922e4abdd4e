-- Purpose: keep who overruled a guard, and what it had seen, with the publish that it let through.
-- Parameters: collection_id, kind, run_id, by, seen.
INSERT INTO confirmations (collection_id, kind, run_id, given_by, seen)
VALUES (%(collection_id)s, %(kind)s, %(run_id)s, %(by)s, %(seen)s::jsonb)
