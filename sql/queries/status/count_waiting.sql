-- Purpose: what earlier refreshes left to do for a collection: parses, cuts.
-- Parameters: collection_id.
SELECT
    count(*) FILTER (WHERE t.elements_id IS null AND NOT t.quarantined) AS unparsed,
    count(*) FILTER (WHERE t.elements_id IS NOT null AND t.chunk_set_id IS null AND NOT t.quarantined) AS unchunked
FROM targets AS t
WHERE t.collection_id = %(collection_id)s
