-- Purpose: one row: how many of the newest unaudited texts have a vector that no other of them has.
-- Distinct texts have distinct vectors, unless a model answers the same to everything; too few tell nothing, since
-- texts that differ in blanks or width alone may share one.
-- Parameters: collection_id, space_id, suite_id; identifier: vectors. Index: the vectors' primary key.
SELECT
    count(*) AS vectors,
    count(DISTINCT sample.embedding)::float8 / count(*) AS distinct_share
FROM (
    SELECT v.embedding
    FROM candidate_texts(%(space_id)s) AS c
    INNER JOIN {vectors} AS v ON c.text_id = v.text_id
    WHERE
        c.collection_id = %(collection_id)s
        AND NOT EXISTS (
            SELECT 1 FROM vector_passes AS p
            WHERE p.text_id = c.text_id AND p.space_id = %(space_id)s AND p.suite_id = %(suite_id)s
        )
    ORDER BY c.text_id DESC
    LIMIT 5000
) AS sample
HAVING count(*) >= 8
