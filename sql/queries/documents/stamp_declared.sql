-- Purpose: note what the metadata of documents was gathered from.
-- Parameters: collection_id, and arrays of equal length: uris, stamps. Index: documents (collection_id, uri).
UPDATE documents AS d
SET declared_stamp = f.stamp
FROM unnest(%(uris)s::text[], %(stamps)s::text[]) AS f (uri, stamp)
WHERE d.collection_id = %(collection_id)s AND d.uri = f.uri AND d.declared_stamp <> f.stamp
