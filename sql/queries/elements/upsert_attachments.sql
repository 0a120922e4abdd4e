-- Purpose: make documents of files that parsed mails hold; returns their rows. A document that the source lists is
-- not touched.
-- Parameters: collection_id, and arrays of equal length: parent_ids, names, parts, digests, formats, sizes.
-- Index: documents_pkey, documents (collection_id, uri).
INSERT INTO documents (
    collection_id, uri, stamp, settled, size, content_hash, format, metadata, parent_id, part, root_uri, parts
)
SELECT
    mail.collection_id,
    mail.uri || '!/' || f.name,
    '',
    true,
    f.size,
    f.content_hash,
    f.format,
    CASE
        WHEN mail.described_for = '' THEN mail.metadata ELSE coalesce(mail.declared -> 'plain', mail.metadata)
    END || jsonb_build_object('name', f.name, 'format', f.format, 'parent', mail.uri),
    mail.document_id,
    f.part,
    coalesce(mail.root_uri, mail.uri),
    mail.parts || f.part
FROM
    unnest(
        %(parent_ids)s::bigint[], %(names)s::text[], %(parts)s::text[], %(digests)s::bytea[], %(formats)s::text[],
        %(sizes)s::bigint[]
    ) AS f (parent_id, name, part, content_hash, format, size)
INNER JOIN documents AS mail ON f.parent_id = mail.document_id
WHERE mail.collection_id = %(collection_id)s
ON CONFLICT (collection_id, uri) DO UPDATE
    SET
        stamp = excluded.stamp,
        settled = excluded.settled,
        size = excluded.size,
        content_hash = excluded.content_hash,
        format = excluded.format,
        metadata = excluded.metadata,
        parent_id = excluded.parent_id,
        part = excluded.part,
        root_uri = excluded.root_uri,
        parts = excluded.parts,
        described_for = '',
        declared_stamp = '',
        vanished_at = null,
        changed_at = now()
    WHERE documents.parent_id IS NOT null OR documents.vanished_at IS NOT null
RETURNING document_id
