-- Purpose: the chunk sets in use against their digests: a row a kind of fault and collection.
-- Parameters: collection_ids. Index: chunk_sets_pkey, chunks_pkey.
SELECT
    f.kind,
    f.collection,
    count(DISTINCT f.chunk_set_id) AS found,
    (array_agg(DISTINCT f.uri))[1:5] AS examples
FROM (
    SELECT
        u.collection,
        u.uri,
        u.chunk_set_id,
        chunk_set_fault(u.chunk_set_id) AS kind
    FROM used_chunk_sets AS u
    WHERE u.collection_id = any(%(collection_ids)s::integer[])
) AS f
WHERE f.kind IS NOT null
GROUP BY f.kind, f.collection
ORDER BY f.collection, f.kind
