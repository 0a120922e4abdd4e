-- Purpose: take all documents of a collection up again that an earlier budget left out.
-- Parameters: collection_id. Index: postponed_by_collection.
DELETE FROM postponed
WHERE collection_id = %(collection_id)s
