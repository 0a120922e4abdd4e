-- Purpose: uris of about the same length as one that was not found, to offer the nearest.
-- Parameters: uri, collection or null. Index: none; one pass over the documents.
SELECT d.uri
FROM documents AS d
INNER JOIN collections AS c ON d.collection_id = c.collection_id
WHERE c.name = %(collection)s OR %(collection)s::text IS null
ORDER BY abs(length(d.uri) - length(%(uri)s)), d.uri
LIMIT 5000
