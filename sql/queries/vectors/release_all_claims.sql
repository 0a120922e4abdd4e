-- Purpose: let go of whatever a collection's refreshes, this one and dead ones before it, have claimed.
-- Parameters: collection_id, token. Index: claims_by_collection.
DELETE FROM claims
WHERE collection_id = %(collection_id)s AND token <= %(token)s
