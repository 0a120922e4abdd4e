-- Purpose: how many published chunks cannot be searched because the endpoint refused their text.
-- Parameters: none. Index: chunks_by_text.
SELECT
    h.collection,
    count(*) AS chunks
FROM text_failures AS f
INNER JOIN chunks AS k ON f.text_id = k.text_id
INNER JOIN heads AS h ON k.chunk_set_id = h.chunk_set_id
GROUP BY h.collection
ORDER BY h.collection
