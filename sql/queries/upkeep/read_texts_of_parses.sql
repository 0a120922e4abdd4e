-- Purpose: the texts that chunks of some parses name.
-- Parameters: ids. Index: chunk_sets (elements_id, recipe_id), chunks_pkey.
SELECT DISTINCT k.text_id AS id
FROM chunk_sets AS s
INNER JOIN chunks AS k ON s.chunk_set_id = k.chunk_set_id
WHERE s.elements_id = ANY(%(ids)s::bigint[])
