-- Purpose: the attachments of a collection, to be compared with what its settings leave out.
-- Parameters: collection_id. Index: documents (collection_id, uri).
SELECT
    d.uri,
    cardinality(d.parts) AS depth
FROM documents AS d
WHERE d.collection_id = %(collection_id)s AND d.parent_id IS NOT null AND d.vanished_at IS null
