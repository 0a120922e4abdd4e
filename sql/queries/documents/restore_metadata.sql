-- Purpose: give documents back the metadata that they had before any was declared, for a collection that declares
-- none any more; attachments, which no source lists, with them.
-- Parameters: collection_id, uris. Index: documents (collection_id, uri).
UPDATE documents AS d
SET
    metadata = CASE WHEN d.described_for = '' THEN d.metadata ELSE d.declared -> 'plain' END,
    declared = '{{}}',
    declared_stamp = '',
    described_for = '',
    metadata_problems = '{{}}'
WHERE
    d.collection_id = %(collection_id)s
    AND (d.uri = any(%(uris)s::text[]) OR (d.parent_id IS NOT null AND d.declared <> '{{}}'))
