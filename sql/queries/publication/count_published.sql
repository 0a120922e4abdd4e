-- Purpose: what readers see of a collection.
-- Parameters: collection_id. Index: heads (collection), chunks_pkey.
SELECT
    count(DISTINCT h.document_id) AS documents,
    count(k.chunk_set_id) AS chunks
FROM heads AS h
LEFT JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id
WHERE h.collection_id = %(collection_id)s
