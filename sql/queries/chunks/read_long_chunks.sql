-- Purpose: the chunks that may be too long for a space, by their bytes: of what a collection is about to show, and,
-- where it is not complete in every space, of what it shows. What was cut under the recipe in force keeps all limits.
-- Parameters: collection_id, recipe_id, bytes. Index: see the view targets; chunks_pkey, texts_pkey.
SELECT
    s.elements_id,
    x.text
FROM targets AS t
INNER JOIN chunk_sets AS s ON t.chunk_set_id = s.chunk_set_id
INNER JOIN chunks AS k ON s.chunk_set_id = k.chunk_set_id
INNER JOIN texts AS x ON k.text_id = x.text_id
LEFT JOIN heads AS h ON t.document_id = h.document_id
WHERE
    t.collection_id = %(collection_id)s
    AND NOT t.quarantined
    AND s.recipe_id <> %(recipe_id)s
    AND octet_length(x.text) > %(bytes)s
    AND (
        h.chunk_set_id IS DISTINCT FROM t.chunk_set_id
        OR EXISTS (
            SELECT 1 FROM spaces AS p
            WHERE
                NOT EXISTS (
                    SELECT 1 FROM space_fills AS f
                    WHERE f.collection_id = %(collection_id)s AND f.space_id = p.space_id
                )
        )
    )
