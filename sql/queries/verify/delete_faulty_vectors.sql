-- Purpose: take away the faulty vectors of texts that a collection uses, or that nothing uses; they count as retired.
-- Parameters: space_id, collection_id (null for texts that nothing uses); identifier: vectors. Index: chunks_by_text.
WITH gone AS (
    DELETE FROM {vectors} AS v
    USING spaces AS s
    WHERE
        s.space_id = %(space_id)s
        AND coalesce(vector_fault(v.embedding, v.digest, s.dimensions, s.normalised), 'vectors_unverifiable')
        <> 'vectors_unverifiable'
        AND CASE
            WHEN %(collection_id)s::integer IS null
                THEN
                    v.text_id NOT IN (SELECT u.text_id FROM used_texts AS u)
                    -- A publish that can be brought back may show it.
                    AND NOT EXISTS (
                        SELECT 1
                        FROM chunks AS k
                        INNER JOIN publish_changes AS c ON k.chunk_set_id = c.chunk_set_id
                        WHERE k.text_id = v.text_id
                    )
            ELSE v.text_id IN (
                SELECT u.text_id FROM used_texts AS u
                WHERE u.collection_id = %(collection_id)s::integer
            )
        END
    RETURNING v.text_id
),

forgotten AS (
    DELETE FROM vector_passes AS p
    USING gone AS g
    WHERE p.text_id = g.text_id AND p.space_id = %(space_id)s
)

UPDATE spaces AS s
SET retired = s.retired + (SELECT count(*) FROM gone)
WHERE s.space_id = %(space_id)s AND EXISTS (SELECT 1 FROM gone)
