-- Purpose: how many documents, and texts of them, wait for vectors, by collection: those that a refresh prepared, and
-- those that a budget postponed.
-- Parameters: space_id; identifier: vectors. Index: chunks_pkey, the vectors' primary key, text_failures_pkey.
WITH waiting AS MATERIALIZED (
    SELECT
        t.collection_id,
        t.document_id,
        t.chunk_set_id
    FROM targets AS t
    LEFT JOIN heads AS h ON t.document_id = h.document_id
    WHERE NOT t.quarantined AND t.chunk_set_id IS DISTINCT FROM h.chunk_set_id AND t.chunk_set_id IS NOT null
)

SELECT
    c.name AS collection,
    count(DISTINCT w.document_id) AS documents,
    count(DISTINCT k.text_id) AS texts
FROM waiting AS w
INNER JOIN collections AS c ON w.collection_id = c.collection_id
INNER JOIN chunks AS k ON w.chunk_set_id = k.chunk_set_id
WHERE
    NOT EXISTS (
        SELECT 1 FROM {vectors} AS v
        WHERE v.text_id = k.text_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM text_failures AS f
        WHERE f.text_id = k.text_id AND f.space_id = %(space_id)s
    )
GROUP BY c.name
