-- Purpose: who holds a collection, and for how long yet.
-- Parameters: collection_id. Index: leases_pkey.
SELECT
    holder,
    greatest(0, extract(EPOCH FROM expires_at - clock_timestamp()))::float8 AS seconds_left
FROM leases
WHERE collection_id = %(collection_id)s
