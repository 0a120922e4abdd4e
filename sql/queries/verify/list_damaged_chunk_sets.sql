-- Purpose: the chunk sets of a collection that are at fault, or one of whose texts is, with the recipe that made them.
-- Parameters: collection_id. Index: chunk_sets_pkey, chunks_pkey, texts_pkey.
SELECT DISTINCT
    u.chunk_set_id,
    s.elements_id,
    r.declared,
    r.versions,
    s.digest,
    r.details,
    chunk_set_fault(u.chunk_set_id) = 'chunk_sets_without_digest' AS only_without_digest
FROM used_chunk_sets AS u
LEFT JOIN chunk_sets AS s ON u.chunk_set_id = s.chunk_set_id
LEFT JOIN recipes AS r ON s.recipe_id = r.recipe_id
WHERE
    u.collection_id = %(collection_id)s
    AND (
        chunk_set_fault(u.chunk_set_id) IS NOT null
        OR EXISTS (
            SELECT 1
            FROM chunks AS k
            LEFT JOIN texts AS t ON k.text_id = t.text_id
            WHERE k.chunk_set_id = u.chunk_set_id AND (t.text_id IS null OR NOT is_sound(t))
        )
    )
ORDER BY u.chunk_set_id
