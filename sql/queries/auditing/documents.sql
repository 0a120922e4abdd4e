-- Purpose: a row a document that is about to change what readers see.
-- Parameters: collection_id.
SELECT
    document_id,
    size,
    undecided
FROM audited_documents
WHERE collection_id = %(collection_id)s
