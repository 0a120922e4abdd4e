-- Purpose: let the quarantined documents of a collection be tried again, because a person asked.
-- Parameters: collection_id. Index: documents (collection_id, uri).
UPDATE quarantine AS q
SET retry = true
FROM documents AS d
WHERE q.document_id = d.document_id AND d.collection_id = %(collection_id)s AND NOT q.retry
