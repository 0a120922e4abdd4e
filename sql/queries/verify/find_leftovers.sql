-- Purpose: what a dead run has left: claims of a lease that nobody holds, and the rate limiter's memory of more than an
-- hour ago.
-- Parameters: collection_ids, all_collections. Index: leases_pkey.
SELECT
    'claims_unheld' AS kind,
    n.name AS collection,
    count(*) AS found,
    (array_agg(held.text_id::text ORDER BY held.text_id))[1:5] AS examples
FROM claims AS held
INNER JOIN collections AS n ON held.collection_id = n.collection_id
WHERE
    held.collection_id = any(%(collection_ids)s::integer[])
    AND NOT EXISTS (
        SELECT 1 FROM leases AS l
        WHERE l.collection_id = held.collection_id AND l.token = held.token AND l.expires_at > clock_timestamp()
    )
GROUP BY n.name
UNION ALL
SELECT
    'rate_usage_old',
    null::text,
    count(*),
    '{{}}'::text[]
FROM rate_usage AS r
WHERE %(all_collections)s AND r.second < clock_timestamp() - interval '1 hour'
HAVING count(*) > 0
