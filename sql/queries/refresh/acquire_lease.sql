-- Purpose: take a free or expired lease, or come back to one's own; no row means that another run holds it, or that
-- its row is locked: by a holder that is writing, or by one that stands still inside a transaction. Never waits.
-- The token grows with every change of holder.
-- Parameters: collection_id, holder, seconds. Index: leases_pkey.
WITH free AS (
    SELECT l.collection_id
    FROM leases AS l
    WHERE l.collection_id = %(collection_id)s
    FOR UPDATE SKIP LOCKED
)

INSERT INTO leases AS held (collection_id, holder, token, expires_at)
SELECT
    %(collection_id)s,
    %(holder)s,
    1,
    clock_timestamp() + %(seconds)s * interval '1 second'
WHERE
    EXISTS (SELECT FROM free)
    OR NOT EXISTS (
        SELECT
        FROM leases AS l
        WHERE l.collection_id = %(collection_id)s
    )
ON CONFLICT (collection_id) DO UPDATE
    SET
        token = CASE WHEN held.holder = excluded.holder THEN held.token ELSE held.token + 1 END,
        holder = excluded.holder,
        expires_at = excluded.expires_at
    WHERE held.holder = excluded.holder OR held.expires_at < clock_timestamp()
RETURNING token
