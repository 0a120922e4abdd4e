-- Purpose: a document and all that is attached to it, at any depth.
-- Parameters: document_id. Index: documents_pkey, documents_by_parent.
WITH RECURSIVE family AS (
    SELECT
        d.document_id,
        d.uri,
        d.content_hash,
        d.format,
        d.parent_id
    FROM documents AS d
    WHERE d.document_id = %(document_id)s
    UNION ALL
    SELECT
        inside.document_id,
        inside.uri,
        inside.content_hash,
        inside.format,
        inside.parent_id
    FROM family AS f
    INNER JOIN documents AS inside ON f.document_id = inside.parent_id
)

SELECT
    f.document_id,
    f.uri,
    f.content_hash,
    f.format,
    f.parent_id
FROM family AS f
