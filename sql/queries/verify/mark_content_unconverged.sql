-- Purpose: note that every collection that holds the content of a chunk set, or shows the set, has work to do.
-- Parameters: chunk_set_id. Index: chunk_sets_pkey, documents_by_content, heads_by_chunk_set.
UPDATE collections AS n
SET converged = null
WHERE
    n.converged IS NOT null
    AND n.collection_id IN (
        SELECT d.collection_id
        FROM chunk_sets AS s
        INNER JOIN elements AS e ON s.elements_id = e.elements_id
        INNER JOIN documents AS d ON e.content_hash = d.content_hash
        WHERE s.chunk_set_id = %(chunk_set_id)s
        UNION ALL
        SELECT h.collection_id FROM heads AS h
        WHERE h.chunk_set_id = %(chunk_set_id)s
    )
