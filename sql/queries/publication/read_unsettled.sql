-- Purpose: the chunk sets that a collection is about to show, and one of whose texts has in a space neither an audited
-- vector nor a recorded refusal: a publish leaves them out.
-- Parameters: collection_id, space_id, vector_suite; identifier: vectors. Index: see the view candidates; chunks_pkey,
-- the keys of the vectors and of vector_passes.
SELECT DISTINCT c.chunk_set_id
FROM candidates AS c
INNER JOIN chunks AS k ON c.chunk_set_id = k.chunk_set_id
WHERE
    c.collection_id = %(collection_id)s
    AND NOT EXISTS (
        SELECT 1
        FROM {vectors} AS v
        INNER JOIN vector_passes AS p ON v.text_id = p.text_id
        WHERE v.text_id = k.text_id AND p.space_id = %(space_id)s AND p.suite_id = %(vector_suite)s
    )
    AND NOT EXISTS (
        SELECT 1 FROM text_failures AS f
        WHERE f.text_id = k.text_id AND f.space_id = %(space_id)s
    )
