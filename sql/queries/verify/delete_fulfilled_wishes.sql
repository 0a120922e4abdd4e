-- Purpose: forget the texts of a collection that wanted a vector and have an audited one.
-- Parameters: collection_id, space_id; identifier: vectors. Index: the vectors' primary key, vector_passes_pkey.
DELETE FROM wanted_texts AS w
USING {vectors} AS v
WHERE
    w.collection_id = %(collection_id)s
    AND w.space_id = %(space_id)s
    AND w.text_id = v.text_id
    AND EXISTS (
        SELECT 1 FROM vector_passes AS p
        WHERE p.text_id = w.text_id AND p.space_id = %(space_id)s
    )
