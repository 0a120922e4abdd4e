-- Purpose: hold back documents that an audit named.
-- Parameters: document_ids, stage, reason, detail, recipe_id. Index: documents_pkey; see hold_back.
SELECT hold_back(d.document_id, %(stage)s, %(reason)s, %(detail)s, d.content_hash, %(recipe_id)s)
FROM documents AS d
WHERE d.document_id = ANY(%(document_ids)s::bigint[])
