-- Purpose: which of some parses no present document has, and no head and no publish shows.
-- Parameters: ids. Index: documents_by_content, chunk_sets (elements_id, recipe_id), heads_by_chunk_set,
-- publish_changes_by_chunk_set.
SELECT e.elements_id AS id
FROM elements AS e
WHERE
    e.elements_id = ANY(%(ids)s::bigint[])
    AND NOT EXISTS (
        SELECT 1 FROM documents AS d
        WHERE d.content_hash = e.content_hash AND d.format = e.format AND d.vanished_at IS null
    )
    AND NOT EXISTS (
        SELECT 1
        FROM chunk_sets AS s
        INNER JOIN heads AS h ON s.chunk_set_id = h.chunk_set_id
        WHERE s.elements_id = e.elements_id
    )
    AND NOT EXISTS (
        SELECT 1
        FROM chunk_sets AS s
        INNER JOIN publish_changes AS c ON s.chunk_set_id = c.chunk_set_id
        WHERE s.elements_id = e.elements_id
    )
