-- Purpose: the digest of a chunk set as its chunks are now.
-- Parameters: chunk_set_id. Index: chunks_pkey.
SELECT chunk_set_digest(%(chunk_set_id)s)
