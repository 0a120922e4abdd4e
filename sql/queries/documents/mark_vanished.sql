-- Purpose: note that documents are no longer in the source; readers keep them until a publish.
-- Parameters: document_ids. Index: documents_pkey.
UPDATE documents
SET vanished_at = now()
WHERE document_id = any(%(document_ids)s::bigint[]) AND vanished_at IS null
