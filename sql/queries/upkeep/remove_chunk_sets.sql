-- Purpose: remove chunk sets with their chunks, if still nothing reaches them; how many of both went.
-- Parameters: ids. Index: heads_by_chunk_set, publish_changes_by_chunk_set, documents_by_content, chunks_pkey.
WITH gone AS (
    DELETE FROM chunk_sets AS s
    USING elements AS e
    WHERE
        s.chunk_set_id = ANY(%(ids)s::bigint[])
        AND s.elements_id = e.elements_id
        AND NOT EXISTS (
            SELECT 1 FROM heads AS h
            WHERE h.chunk_set_id = s.chunk_set_id
        )
        AND NOT EXISTS (
            SELECT 1 FROM publish_changes AS c
            WHERE c.chunk_set_id = s.chunk_set_id
        )
        AND NOT EXISTS (
            SELECT 1
            FROM documents AS d
            INNER JOIN targets AS t ON d.document_id = t.document_id
            WHERE d.content_hash = e.content_hash AND d.format = e.format AND t.chunk_set_id = s.chunk_set_id
        )
    RETURNING s.chunk_set_id
)

SELECT
    count(*) AS chunk_sets,
    coalesce(sum((
        SELECT count(*) FROM chunks AS k
        WHERE k.chunk_set_id = gone.chunk_set_id
    )), 0)::bigint AS chunks
FROM gone
