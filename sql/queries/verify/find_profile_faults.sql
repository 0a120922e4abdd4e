-- Purpose: heads that show another profile than the one that was made, and audited, of what they show.
-- Parameters: collection_ids, all_collections. Index: heads_by_collection_id.
SELECT
    'profiles_differ' AS kind,
    h.collection,
    count(*) AS found,
    (array_agg(h.uri ORDER BY h.uri))[1:10] AS examples
FROM heads AS h
INNER JOIN chunk_sets AS s ON h.chunk_set_id = s.chunk_set_id
WHERE
    h.collection_id = ANY(%(collection_ids)s)
    AND h.profile IS DISTINCT FROM shown_profile(s.elements_id, h.collection_id)
GROUP BY h.collection
