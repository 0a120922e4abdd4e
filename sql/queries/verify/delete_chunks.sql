-- Purpose: take the chunks of a set away, to be written anew in the same transaction.
-- Parameters: chunk_set_id. Index: chunks_pkey.
DELETE FROM chunks
WHERE chunk_set_id = %(chunk_set_id)s
