-- Purpose: hold rows that are to be removed; one that somebody is about to name is left for the next time.
-- Parameters: ids. Index: chunk_sets_pkey.
SELECT x.chunk_set_id AS id
FROM chunk_sets AS x
WHERE x.chunk_set_id = ANY(%(ids)s::bigint[])
ORDER BY x.chunk_set_id
FOR UPDATE SKIP LOCKED
