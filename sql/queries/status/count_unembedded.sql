-- Purpose: how many documents, and texts of them, wait for vectors, by collection: those that a refresh prepared, and
-- those that a budget postponed.
-- Parameters: space_id; identifier: vectors. Index: chunks_pkey, the vectors' primary key, text_failures_pkey.
SELECT
    c.name AS collection,
    count(DISTINCT t.document_id) AS documents,
    count(DISTINCT k.text_id) AS texts
FROM targets AS t
INNER JOIN collections AS c ON t.collection_id = c.collection_id
INNER JOIN chunks AS k ON t.chunk_set_id = k.chunk_set_id
LEFT JOIN heads AS h ON t.document_id = h.document_id
WHERE
    NOT t.quarantined
    AND t.chunk_set_id IS DISTINCT FROM h.chunk_set_id
    AND NOT EXISTS (
        SELECT 1 FROM {vectors} AS v
        WHERE v.text_id = k.text_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM text_failures AS f
        WHERE f.text_id = k.text_id AND f.space_id = %(space_id)s
    )
GROUP BY c.name
