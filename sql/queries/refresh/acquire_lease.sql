-- Purpose: take a free or expired lease, or renew one's own; no row means that another run holds it.
-- The token grows with every change of holder.
-- Parameters: collection_id, holder, seconds. Index: leases_pkey.
INSERT INTO leases AS held (collection_id, holder, token, expires_at)
VALUES (%(collection_id)s, %(holder)s, 1, clock_timestamp() + %(seconds)s * interval '1 second')
ON CONFLICT (collection_id) DO UPDATE
    SET
        token = CASE WHEN held.holder = excluded.holder THEN held.token ELSE held.token + 1 END,
        holder = excluded.holder,
        expires_at = excluded.expires_at
    WHERE held.holder = excluded.holder OR held.expires_at < clock_timestamp()
RETURNING token
