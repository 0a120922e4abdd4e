-- Purpose: keep what was gathered of documents where it differs, and note that their metadata is due; how many
-- differed. What a document's metadata was before anything was declared stays under the key `plain`.
-- Parameters: collection_id, and arrays of equal length: uris, declared. Index: documents (collection_id, uri).
UPDATE documents AS d
SET
    declared
    = f.declared::jsonb
    || CASE WHEN d.declared ? 'plain' THEN jsonb_build_object('plain', d.declared -> 'plain') ELSE '{{}}' END,
    described_for = CASE WHEN d.described_for = '' THEN '' ELSE 'due' END
FROM unnest(%(uris)s::text[], %(declared)s::text[]) AS f (uri, declared)
WHERE
    d.collection_id = %(collection_id)s
    AND d.uri = f.uri
    AND d.declared - 'plain' IS DISTINCT FROM f.declared::jsonb
