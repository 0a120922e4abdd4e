-- Purpose: keep who overruled a guard and why, and what it had seen, with the publish that it let through.
-- Parameters: collection_id, kind, run_id, by, because, seen.
INSERT INTO confirmations (collection_id, kind, run_id, given_by, because, seen)
VALUES (%(collection_id)s, %(kind)s, %(run_id)s, %(by)s, %(because)s, %(seen)s::jsonb)
