-- Purpose: the chunk sets that a collection shows (heads) or is about to show (candidates), and one of whose texts has
-- in a space neither an audited vector nor a recorded refusal. A publish leaves such candidates out; where there is no
-- such head, the collection is complete in the space.
-- Parameters: collection_id, space_id, vector_suite, most (any so many; null for all); identifiers: shown, vectors.
-- Index: heads_by_collection_id, or see the view candidates; chunks_pkey, the keys of the vectors and of vector_passes.
SELECT s.chunk_set_id
FROM {shown} AS s
WHERE
    s.collection_id = %(collection_id)s
    AND EXISTS (
        SELECT 1 FROM chunks AS k
        WHERE
            k.chunk_set_id = s.chunk_set_id
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
LIMIT %(most)s  -- noqa: AM09
