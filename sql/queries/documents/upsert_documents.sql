-- Purpose: write what a scan found; the row changes only where something differs, and returns whether
-- the bytes, the format or the metadata did. The declared metadata is due again.
-- A file that the source lists wins over an attachment of the same uri.
-- Parameters: collection_id, and arrays of equal length. Index: documents (collection_id, uri).
INSERT INTO documents (collection_id, uri, stamp, settled, size, content_hash, format, metadata)
SELECT
    %(collection_id)s,
    f.uri,
    f.stamp,
    f.settled,
    f.size,
    f.content_hash,
    f.format,
    f.metadata::jsonb
FROM
    unnest(
        %(uris)s::text[], %(stamps)s::text[], %(settled)s::boolean[], %(sizes)s::bigint[],
        %(digests)s::bytea[], %(formats)s::text[], %(metadata)s::text[]
    ) AS f (uri, stamp, settled, size, content_hash, format, metadata)
ON CONFLICT (collection_id, uri) DO UPDATE SET
    stamp = excluded.stamp,
    settled = excluded.settled,
    size = excluded.size,
    content_hash = excluded.content_hash,
    format = excluded.format,
    metadata = excluded.metadata,
    described_for = '',
    vanished_at = null,
    parent_id = null,
    part = '',
    root_uri = null,
    parts = '{{}}',
    changed_at = CASE
        WHEN documents.content_hash = excluded.content_hash THEN documents.changed_at ELSE now()
    END
