-- Purpose: the collections of which the caller sees something, and the metadata fields of their first documents.
-- Parameters: none.
SELECT
    d.collection,
    count(*) AS documents,
    max(d.published_at) AS published_at,
    array_agg(DISTINCT d.language) AS languages,
    array_agg(DISTINCT d.format) AS formats,
    (
        SELECT array_agg(DISTINCT k.name)
        FROM (
            SELECT m.metadata
            FROM {search}.documents AS m
            WHERE m.collection = d.collection
            ORDER BY m.document_id
            LIMIT 100
        ) AS s
        CROSS JOIN LATERAL jsonb_object_keys(s.metadata) AS k (name)
    ) AS fields
FROM {search}.documents AS d
GROUP BY d.collection
ORDER BY d.collection
