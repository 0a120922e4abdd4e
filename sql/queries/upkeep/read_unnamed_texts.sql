-- Purpose: which of some texts no chunk names, and nobody wants again.
-- Parameters: ids. Index: texts_pkey, chunks_by_text, wanted_texts_by_text.
SELECT t.text_id AS id
FROM texts AS t
WHERE
    t.text_id = ANY(%(ids)s::bigint[])
    AND NOT EXISTS (
        SELECT 1 FROM chunks AS k
        WHERE k.text_id = t.text_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM wanted_texts AS w
        WHERE w.text_id = t.text_id
    )
