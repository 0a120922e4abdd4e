-- Purpose: the documents of a uri, in all collections or in one.
-- Parameters: uri, collection or null. Index: documents (collection_id, uri).
SELECT
    c.name AS collection,
    c.collection_id,
    d.document_id
FROM collections AS c
INNER JOIN documents AS d ON c.collection_id = d.collection_id
WHERE d.uri = %(uri)s AND (c.name = %(collection)s OR %(collection)s::text IS null)
ORDER BY c.name
