-- Purpose: whether a collection has something new to show.
-- Parameters: collection_id. Index: see the view candidates.
SELECT
    EXISTS(
        SELECT 1 FROM candidates AS c
        WHERE c.collection_id = %(collection_id)s
    ) AS waiting
