-- Purpose: a row for the collection: its source against what readers see.
-- Parameters: collection_id. Index: documents (collection_id, uri), heads (collection).
SELECT
    documents,
    duplicates,
    vanished_share,
    emptied
FROM audited_sources
WHERE collection_id = %(collection_id)s
