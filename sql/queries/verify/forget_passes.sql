-- Purpose: forget the audits of vectors that are no longer there, so that the new ones are audited.
-- Parameters: collection_id, space_id; identifier: vectors. Index: vector_passes_pkey, the vectors' primary key.
DELETE FROM vector_passes AS p
USING wanted_texts AS w
WHERE
    w.collection_id = %(collection_id)s
    AND w.space_id = %(space_id)s
    AND p.text_id = w.text_id
    AND p.space_id = %(space_id)s
    AND NOT EXISTS (
        SELECT 1 FROM {vectors} AS v
        WHERE v.text_id = w.text_id
    )
