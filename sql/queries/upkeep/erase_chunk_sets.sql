-- Purpose: remove the chunk sets of parses with their chunks; how many of both went.
-- Parameters: ids. Index: chunk_sets (elements_id, recipe_id), chunks_pkey.
WITH gone AS (
    DELETE FROM chunk_sets
    WHERE elements_id = ANY(%(ids)s::bigint[])
    RETURNING chunk_set_id
)

SELECT
    count(*) AS chunk_sets,
    coalesce(sum((
        SELECT count(*) FROM chunks AS k
        WHERE k.chunk_set_id = gone.chunk_set_id
    )), 0)::bigint AS chunks
FROM gone
