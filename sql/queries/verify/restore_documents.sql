-- Purpose: bring back the rows of documents that readers see and the ledger knows, from what their heads show. Their
-- stamp is unknown, so that the next refresh reads them.
-- Parameters: collection_id. Index: heads_by_collection_id, documents_pkey.
INSERT INTO documents (document_id, collection_id, uri, stamp, settled, size, content_hash, format, metadata)
OVERRIDING SYSTEM VALUE
SELECT
    h.document_id,
    h.collection_id,
    h.uri,
    '',
    false,
    octet_length(e.text),
    e.content_hash,
    e.format,
    h.metadata
FROM heads AS h
INNER JOIN chunk_sets AS s ON h.chunk_set_id = s.chunk_set_id
INNER JOIN elements AS e ON s.elements_id = e.elements_id
WHERE
    h.collection_id = %(collection_id)s
    AND NOT EXISTS (
        SELECT 1 FROM documents AS d
        WHERE d.document_id = h.document_id
    )
    AND EXISTS (
        SELECT 1 FROM publish_changes AS c
        WHERE c.document_id = h.document_id
    )
ON CONFLICT DO NOTHING
