-- Purpose: take away the claims of a collection whose lease nobody holds.
-- Parameters: collection_id. Index: claims_by_collection, leases_pkey.
DELETE FROM claims AS held
WHERE
    held.collection_id = %(collection_id)s
    AND NOT EXISTS (
        SELECT 1 FROM leases AS l
        WHERE l.collection_id = held.collection_id AND l.token = held.token AND l.expires_at > clock_timestamp()
    )
