-- Purpose: the documents of a collection as last seen, in uri order, to be merged with a listing. Attachments
-- are not listed by a source: they come and go with their mail.
-- Parameters: collection_id. Index: documents (collection_id, uri).
SELECT
    document_id,
    uri,
    stamp,
    settled,
    vanished_at IS NOT null AS vanished,
    declared_stamp
FROM documents
WHERE collection_id = %(collection_id)s AND parent_id IS null
ORDER BY uri
