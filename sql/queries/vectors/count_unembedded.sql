-- Purpose: how many texts, and tokens of them, wait for a vector.
-- Parameters: collection_id, space_id; identifier: vectors. Index: the vectors' primary key.
SELECT
    count(*) AS texts,
    coalesce(sum(t.tokens), 0)::bigint AS tokens
FROM candidate_texts(%(space_id)s) AS c
INNER JOIN texts AS t ON c.text_id = t.text_id
WHERE
    c.collection_id = %(collection_id)s
    AND NOT EXISTS (
        SELECT 1 FROM {vectors} AS v
        WHERE v.text_id = c.text_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM text_failures AS f
        WHERE f.text_id = c.text_id AND f.space_id = %(space_id)s
    )
