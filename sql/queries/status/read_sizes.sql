-- Purpose: tokens a kilobyte of the formats that the database knows, to estimate what a new file will cost.
-- Parameters: none. Index: none; a sample of the newest parses.
SELECT
    s.format,
    sum(s.tokens)::float8 / greatest(sum(s.size) / 1000.0, 0.001)::float8 AS tokens_per_kilobyte,
    sum(s.chunks)::float8 / greatest(sum(s.size) / 1000.0, 0.001)::float8 AS chunks_per_kilobyte
FROM (
    SELECT
        d.format,
        d.size,
        count(k.text_id) AS chunks,
        coalesce(sum(x.tokens), 0) AS tokens
    FROM (
        SELECT * FROM heads
        ORDER BY document_id DESC LIMIT 500
    ) AS h
    INNER JOIN documents AS d ON h.document_id = d.document_id
    INNER JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id
    INNER JOIN texts AS x ON k.text_id = x.text_id
    GROUP BY d.document_id
) AS s
GROUP BY s.format
