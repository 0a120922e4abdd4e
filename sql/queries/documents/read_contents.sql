-- Purpose: the recorded bytes and format of documents whose stamp changed, to tell an edit from a touch.
-- Parameters: document_ids. Index: documents_pkey.
SELECT
    document_id,
    content_hash,
    format
FROM documents
WHERE document_id = ANY(%(document_ids)s::bigint[])
