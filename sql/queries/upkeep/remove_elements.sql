-- Purpose: remove parses, if still nothing reaches them.
-- Parameters: ids. Index: chunk_sets (elements_id, recipe_id), documents_by_content.
DELETE FROM elements AS e
WHERE
    e.elements_id = ANY(%(ids)s::bigint[])
    AND NOT EXISTS (
        SELECT 1 FROM chunk_sets AS s
        WHERE s.elements_id = e.elements_id
    )
    AND NOT EXISTS (
        SELECT 1
        FROM documents AS d
        INNER JOIN targets AS t ON d.document_id = t.document_id
        WHERE d.content_hash = e.content_hash AND d.format = e.format AND t.elements_id = e.elements_id
    )
