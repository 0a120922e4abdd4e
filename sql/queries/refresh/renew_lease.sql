-- Purpose: let one's own lease last; no row means that it was released or taken over.
-- Parameters: collection_id, holder, token, seconds. Index: leases_pkey.
UPDATE leases
SET expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE collection_id = %(collection_id)s AND holder = %(holder)s AND token = %(token)s
RETURNING 1 AS mine
