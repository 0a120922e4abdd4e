-- Purpose: remember what the chunks of new chunk sets are, so that an alteration is noticed.
-- Parameters: chunk_set_ids. Index: chunk_sets_pkey, chunks_pkey.
UPDATE chunk_sets
SET digest = chunk_set_digest(chunk_set_id)
WHERE chunk_set_id = ANY(%(chunk_set_ids)s::bigint[])
