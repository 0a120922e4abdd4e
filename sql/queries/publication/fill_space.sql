-- Purpose: note that a collection is complete in a space that was being filled: each published text has an audited
-- vector there, or a recorded refusal. From the commit on every publish demands it.
-- Parameters: collection_id, space_id, vector_suite; identifier: vectors. Index: heads_by_collection_id, chunks_pkey,
-- the keys of the vectors and of vector_passes.
INSERT INTO space_fills (collection_id, space_id)
SELECT
    %(collection_id)s,
    %(space_id)s
WHERE
    EXISTS (
        SELECT 1 FROM heads AS h
        WHERE h.collection_id = %(collection_id)s
    )
    AND NOT EXISTS (
        SELECT 1
        FROM heads AS h
        INNER JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id
        WHERE
            h.collection_id = %(collection_id)s
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
    )
ON CONFLICT DO NOTHING
RETURNING space_id
