-- Purpose: have files that were held back for their erased bytes looked at again by the next refresh.
-- Parameters: collection_id. Index: documents (collection_id, uri).
UPDATE documents
SET settled = false
WHERE collection_id = %(collection_id)s AND format = 'erased' AND vanished_at IS null
