-- Purpose: forget claims of refreshes that do not hold their collection any more.
-- Parameters: none. Index: leases_pkey.
DELETE FROM claims AS c
WHERE
    NOT EXISTS (
        SELECT 1 FROM leases AS l
        WHERE l.collection_id = c.collection_id AND l.token = c.token AND l.expires_at > clock_timestamp()
    )
