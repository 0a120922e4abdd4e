-- Purpose: inside a writing transaction, hold the lease's row until commit, if it is still one's own.
-- Parameters: collection_id, token. Index: leases_pkey.
SELECT 1 AS mine
FROM leases
WHERE collection_id = %(collection_id)s AND token = %(token)s
FOR SHARE
