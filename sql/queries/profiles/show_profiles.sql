-- Purpose: have the heads of a collection show the profiles that passed, and no other; how many changed.
-- Parameters: collection_id. Index: heads_by_collection_id.
UPDATE heads AS h
SET profile = shown_profile(s.elements_id, h.collection_id)
FROM chunk_sets AS s
WHERE
    h.collection_id = %(collection_id)s
    AND h.chunk_set_id = s.chunk_set_id
    AND h.profile IS DISTINCT FROM shown_profile(s.elements_id, h.collection_id)
