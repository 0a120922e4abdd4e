-- Purpose: how many parses of a collection wait for a profile, how many bytes of text they have, and how many failed.
-- Parameters: collection_id. Index: see the view unprofiled.
SELECT
    count(*) FILTER (WHERE w.reason IS null) AS waiting,
    coalesce(sum(octet_length(e.text)) FILTER (WHERE w.reason IS null), 0)::bigint AS bytes,
    count(*) FILTER (WHERE w.reason IS NOT null) AS failed
FROM unprofiled AS w
INNER JOIN elements AS e ON w.elements_id = e.elements_id
WHERE w.collection_id = %(collection_id)s
