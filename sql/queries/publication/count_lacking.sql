-- Purpose: how many texts that readers see of a collection have in a space neither a vector nor a recorded refusal.
-- Parameters: collection_id, space_id; identifier: vectors. Index: heads_by_collection_id, chunks_pkey, the vectors'
-- primary key, text_failures_pkey.
SELECT count(DISTINCT k.text_id) AS texts
FROM heads AS h
INNER JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id
WHERE
    h.collection_id = %(collection_id)s
    AND NOT EXISTS (
        SELECT 1 FROM {vectors} AS v
        WHERE v.text_id = k.text_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM text_failures AS f
        WHERE f.text_id = k.text_id AND f.space_id = %(space_id)s
    )
