-- Purpose: note that the metadata of what is attached to documents, at any depth, is due with theirs.
-- Parameters: collection_id, uris. Index: documents (collection_id, uri), documents_by_parent.
WITH RECURSIVE inside AS (
    SELECT d.document_id
    FROM documents AS d
    WHERE d.collection_id = %(collection_id)s AND d.uri = any(%(uris)s::text[]) AND d.described_for IN ('', 'due')
    UNION ALL
    SELECT a.document_id
    FROM inside AS i
    INNER JOIN documents AS a ON i.document_id = a.parent_id
)

UPDATE documents AS d
SET described_for = 'due'
FROM inside AS i
WHERE d.document_id = i.document_id AND d.parent_id IS NOT null AND d.described_for <> ''
