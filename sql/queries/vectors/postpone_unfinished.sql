-- Purpose: leave out of this publish the documents some of whose texts the budget did not reach.
-- Parameters: collection_id, space_id; identifier: vectors. Index: chunks_pkey, the vectors' primary key.
INSERT INTO postponed (document_id, collection_id, texts)
SELECT
    c.document_id,
    c.collection_id,
    count(DISTINCT k.text_id)
FROM candidates AS c
INNER JOIN chunks AS k ON c.chunk_set_id = k.chunk_set_id
WHERE
    c.collection_id = %(collection_id)s
    AND NOT EXISTS (
        SELECT 1 FROM {vectors} AS v
        WHERE v.text_id = k.text_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM text_failures AS f
        WHERE f.text_id = k.text_id AND f.space_id = %(space_id)s
    )
GROUP BY c.document_id, c.collection_id
ON CONFLICT (document_id) DO UPDATE SET texts = excluded.texts
