-- Purpose: the documents of a collection as last seen, in uri order, to be merged with a listing.
-- Parameters: collection_id. Index: documents (collection_id, uri).
SELECT
    document_id,
    uri,
    stamp,
    settled,
    vanished_at IS NOT null AS vanished
FROM documents
WHERE collection_id = %(collection_id)s
ORDER BY uri
