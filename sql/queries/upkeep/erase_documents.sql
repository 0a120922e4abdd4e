-- Purpose: forget documents.
-- Parameters: document_ids. Index: documents_pkey.
DELETE FROM documents
WHERE document_id = ANY(%(document_ids)s::bigint[])
