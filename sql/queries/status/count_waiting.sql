-- Purpose: what earlier refreshes left to do for a collection: parses, cuts.
-- Parameters: collection_id. Index: see the views targets and unparsed.
SELECT
    (
        SELECT count(*) FROM unparsed AS w
        WHERE w.collection_id = %(collection_id)s
    ) AS unparsed,
    count(*) FILTER (WHERE t.elements_id IS NOT null AND t.chunk_set_id IS null AND NOT t.quarantined) AS unchunked
FROM targets AS t
WHERE t.collection_id = %(collection_id)s
