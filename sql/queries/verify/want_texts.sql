-- Purpose: ask for the vectors that published texts of a collection lack in a space in which it is complete, unless the
-- endpoint refused them.
-- Parameters: collection_id, space_id; identifier: vectors. Index: chunks_pkey, the vectors' primary key.
INSERT INTO wanted_texts (collection_id, space_id, text_id)
SELECT DISTINCT
    u.collection_id,
    %(space_id)s::integer,
    u.text_id
FROM used_texts AS u
INNER JOIN texts AS t ON u.text_id = t.text_id
WHERE
    u.collection_id = %(collection_id)s
    AND u.published
    AND EXISTS (
        SELECT 1 FROM space_fills AS done
        WHERE done.collection_id = u.collection_id AND done.space_id = %(space_id)s
    )
    AND NOT EXISTS (
        SELECT 1 FROM {vectors} AS v
        WHERE v.text_id = u.text_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM text_failures AS refused
        WHERE refused.space_id = %(space_id)s AND refused.text_id = u.text_id
    )
ORDER BY u.collection_id, u.text_id
ON CONFLICT DO NOTHING
