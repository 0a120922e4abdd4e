-- Purpose: the sizes of the newest chunks of a collection, to be drawn.
-- Parameters: collection_id. Index: chunks_pkey.
SELECT x.tokens
FROM candidates AS c
INNER JOIN chunks AS k ON c.chunk_set_id = k.chunk_set_id
INNER JOIN texts AS x ON k.text_id = x.text_id
WHERE c.collection_id = %(collection_id)s
ORDER BY x.text_id DESC
LIMIT 20000
