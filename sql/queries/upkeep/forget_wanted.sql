-- Purpose: want texts of erased documents no more, unless another chunk names them.
-- Parameters: ids. Index: wanted_texts_by_text, chunks_by_text.
DELETE FROM wanted_texts AS w
WHERE
    w.text_id = ANY(%(ids)s::bigint[])
    AND NOT EXISTS (
        SELECT 1 FROM chunks AS k
        WHERE k.text_id = w.text_id
    )
