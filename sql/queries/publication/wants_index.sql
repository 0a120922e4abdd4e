-- Purpose: the spaces that hold all that is published, and have no index yet. One that is not valid is for a repair.
-- Parameters: none. Index: a few rows; see the function unfilled_collections.
SELECT s.space_id
FROM spaces AS s
WHERE
    to_regclass(quote_ident('vectors_' || s.name || '_hnsw')) IS null
    AND EXISTS (SELECT 1 FROM heads)
    AND NOT EXISTS (SELECT 1 FROM unfilled_collections(s.space_id))
ORDER BY s.space_id
