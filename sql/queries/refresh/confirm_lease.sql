-- Purpose: inside a writing transaction, make sure that the lease is still one's own, and let it last: its row is
-- locked until commit, so that nobody can take it meanwhile, nor this holder renew it.
-- Parameters: collection_id, token, seconds. Index: leases_pkey.
UPDATE leases
SET expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE collection_id = %(collection_id)s AND token = %(token)s
RETURNING 1 AS mine
