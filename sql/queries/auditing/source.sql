-- Purpose: a row for the collection: its source against what readers see, and whether it grew beyond its limits.
-- Parameters: collection_id, growth_documents, growth_share. Index: documents (collection_id, uri), heads (collection).
SELECT
    documents,
    duplicates,
    vanished_share,
    emptied,
    newcomers,
    CASE
        WHEN heads > 0 AND newcomers > %(growth_documents)s AND newcomers > %(growth_share)s * heads THEN 1
        ELSE 0
    END AS too_many_new
FROM audited_sources
WHERE collection_id = %(collection_id)s
