-- Purpose: wishes for vectors of a space that are there and audited, while no refresh is under way.
-- Parameters: collection_ids, space_id; identifier: vectors. Index: leases_pkey, the vectors' primary key.
SELECT
    'wishes_fulfilled' AS kind,
    n.name AS collection,
    count(*) AS found,
    (array_agg(w.text_id::text ORDER BY w.text_id))[1:5] AS examples
FROM wanted_texts AS w
INNER JOIN collections AS n ON w.collection_id = n.collection_id
INNER JOIN {vectors} AS v ON w.text_id = v.text_id
WHERE
    w.collection_id = any(%(collection_ids)s::integer[])
    AND w.space_id = %(space_id)s
    AND EXISTS (
        SELECT 1 FROM vector_passes AS p
        WHERE p.text_id = w.text_id AND p.space_id = %(space_id)s
    )
    AND NOT EXISTS (
        SELECT 1 FROM leases AS l
        WHERE l.collection_id = w.collection_id AND l.expires_at > clock_timestamp()
    )
GROUP BY n.name
