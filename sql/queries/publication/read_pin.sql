-- Purpose: whether a collection is pinned to a publish, and how many documents are prepared meanwhile.
-- Parameters: collection_id. Index: collections_pkey, see the view candidates.
SELECT
    c.pinned_to,
    CASE
        WHEN c.pinned_to IS NOT null
            THEN (
                SELECT count(*) FROM candidates AS w
                WHERE w.collection_id = c.collection_id
            )
        ELSE 0
    END AS candidates
FROM collections AS c
WHERE c.collection_id = %(collection_id)s
