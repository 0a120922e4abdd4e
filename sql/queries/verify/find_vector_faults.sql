-- Purpose: the vectors of texts in use: a row a kind of fault and collection. One that is missing counts where the text
-- is published, its collection is complete in the space, it was not refused, and no refresh is about to embed it now.
-- Parameters: collection_ids, space_id; identifier: vectors. Index: chunks_pkey, the vectors' primary key.
SELECT
    f.kind,
    f.collection,
    count(DISTINCT f.text_id) AS found,
    (array_agg(DISTINCT f.uri))[1:5] AS examples
FROM (
    SELECT
        u.collection,
        u.uri,
        u.text_id,
        CASE
            WHEN v.text_id IS NOT null THEN vector_fault(v.embedding, v.digest, s.dimensions, s.normalised)
            WHEN
                u.published
                AND EXISTS (
                    SELECT 1 FROM space_fills AS done
                    WHERE done.collection_id = u.collection_id AND done.space_id = s.space_id
                )
                AND NOT EXISTS (
                    SELECT 1 FROM text_failures AS refused
                    WHERE refused.space_id = s.space_id AND refused.text_id = u.text_id
                )
                AND NOT EXISTS (
                    SELECT 1
                    FROM wanted_texts AS w
                    INNER JOIN leases AS l ON w.collection_id = l.collection_id
                    WHERE w.text_id = u.text_id AND w.space_id = s.space_id AND l.expires_at > clock_timestamp()
                )
                THEN 'vectors_missing'
        END AS kind
    FROM used_texts AS u
    INNER JOIN spaces AS s ON s.space_id = %(space_id)s
    LEFT JOIN {vectors} AS v ON u.text_id = v.text_id
    WHERE u.collection_id = any(%(collection_ids)s::integer[])
) AS f
WHERE f.kind IS NOT null
GROUP BY f.kind, f.collection
ORDER BY f.collection, f.kind
