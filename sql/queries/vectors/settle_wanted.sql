-- Purpose: forget the texts that wanted a vector again and have it, or were refused again.
-- Parameters: collection_id, space_id; identifier: vectors. Index: wanted_texts_pkey, the vectors' primary key.
DELETE FROM wanted_texts AS w
WHERE
    w.collection_id = %(collection_id)s
    AND w.space_id = %(space_id)s
    AND (
        EXISTS (
            SELECT 1 FROM {vectors} AS v
            WHERE v.text_id = w.text_id
        )
        OR EXISTS (
            SELECT 1 FROM text_failures AS f
            WHERE f.text_id = w.text_id AND f.space_id = %(space_id)s
        )
    )
