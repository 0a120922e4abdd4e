-- Purpose: the newest line of a collection in the ledger, to tell one change from the same change later.
-- Parameters: collection_id.
SELECT max(refresh_id) AS refresh_id
FROM refreshes
WHERE collection_id = %(collection_id)s AND ended_at IS NOT null
