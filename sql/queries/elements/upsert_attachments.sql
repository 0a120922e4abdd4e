-- Purpose: make a document of each file that a parsed mail holds; returns the rows that are new, changed or back.
-- Parameters: collection_id. Index: see the view targets; documents (collection_id, uri).
INSERT INTO documents (collection_id, uri, stamp, settled, size, content_hash, format, metadata, parent_id, part)
SELECT
    t.collection_id,
    t.uri || '!/' || a.name,
    '',
    true,
    a.size,
    decode(a.digest, 'hex'),
    a.format,
    coalesce(mail.declared -> 'plain', t.metadata)
    || jsonb_build_object('name', a.name, 'format', a.format, 'parent', t.uri),
    t.document_id,
    a.part
FROM targets AS t
INNER JOIN documents AS mail ON t.document_id = mail.document_id
INNER JOIN elements AS e ON t.elements_id = e.elements_id
CROSS JOIN
    LATERAL jsonb_to_recordset(e.attachments)
        AS a (part text, name text, digest text, format text, size bigint) -- noqa: RF02
WHERE t.collection_id = %(collection_id)s AND t.format IN ('eml', 'msg') AND e.attachments <> '[]'
ON CONFLICT (collection_id, uri) DO UPDATE
    SET
        size = excluded.size,
        content_hash = excluded.content_hash,
        format = excluded.format,
        metadata = excluded.metadata,
        parent_id = excluded.parent_id,
        part = excluded.part,
        described_for = '',
        vanished_at = null,
        changed_at = now()
    WHERE
    documents.vanished_at IS NOT null
    OR (documents.content_hash, documents.format, documents.part, documents.parent_id)
    IS DISTINCT FROM (excluded.content_hash, excluded.format, excluded.part, excluded.parent_id)
RETURNING document_id
