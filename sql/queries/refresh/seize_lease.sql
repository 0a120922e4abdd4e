-- Purpose: take a lease from whoever holds it; his token is fenced off. Waits for a commit of his that is under way.
-- Parameters: collection_id, holder, seconds. Index: leases_pkey.
INSERT INTO leases AS held (collection_id, holder, token, expires_at)
VALUES (%(collection_id)s, %(holder)s, 1, clock_timestamp() + %(seconds)s * interval '1 second')
ON CONFLICT (collection_id) DO UPDATE
    SET token = held.token + 1, holder = excluded.holder, expires_at = excluded.expires_at
RETURNING token
