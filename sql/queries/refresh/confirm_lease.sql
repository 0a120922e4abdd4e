-- Purpose: make sure that the lease is still one's own, and let it last. Inside a writing transaction its row is
-- locked until commit, so that nobody can take it meanwhile; a holder that stands still there for as long as the
-- lease would last without it is cut off by the server, which takes the transaction back.
-- Parameters: collection_id, token, seconds. Index: leases_pkey.
UPDATE leases
SET expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE collection_id = %(collection_id)s AND token = %(token)s
RETURNING
    1 AS mine,
    set_config('idle_in_transaction_session_timeout', ceil(%(seconds)s * 1000)::bigint::text, true) AS stands_still_ms
