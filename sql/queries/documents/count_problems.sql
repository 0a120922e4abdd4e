-- Purpose: how many documents of a collection lack a declared field because its value did not have the type.
-- Parameters: collection_id. Index: documents (collection_id, uri).
SELECT count(*) AS documents
FROM documents AS d
WHERE d.collection_id = %(collection_id)s AND d.vanished_at IS null AND d.metadata_problems <> '{{}}'
