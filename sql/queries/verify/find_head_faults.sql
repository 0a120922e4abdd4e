-- Purpose: what readers see against the ledger: a row a kind of difference and collection.
-- Parameters: collection_ids. Index: publish_changes (document_id, publish_id), heads_by_collection_id.
SELECT
    f.kind,
    n.name AS collection,
    count(*) AS found,
    (array_agg(f.uri ORDER BY f.uri))[1:5] AS examples
FROM (
    SELECT
        coalesce(l.collection_id, h.owner_id) AS collection_id,
        coalesce(l.uri, h.uri) AS uri,
        CASE
            WHEN h.document_id IS null THEN 'heads_missing'
            WHEN h.orphaned THEN 'documents_missing'
            WHEN l.document_id IS null THEN 'heads_extra'
            WHEN l.shown <> h.shown THEN 'heads_altered'
        END AS kind
    FROM (
        SELECT
            told.document_id,
            told.collection_id,
            told.uri,
            to_jsonb(told) AS shown
        FROM ledger_heads AS told
        WHERE told.collection_id = any(%(collection_ids)s::integer[])
    ) AS l
    FULL JOIN (
        SELECT
            shown.document_id,
            shown.uri,
            to_jsonb(shown) - 'profile' AS shown,
            coalesce(d.collection_id, shown.collection_id) AS owner_id,
            d.document_id IS null AND EXISTS (
                SELECT 1 FROM publish_changes AS c
                WHERE c.document_id = shown.document_id
            ) AS orphaned
        FROM heads AS shown
        LEFT JOIN documents AS d ON shown.document_id = d.document_id
        WHERE coalesce(d.collection_id, shown.collection_id) = any(%(collection_ids)s::integer[])
    ) AS h ON l.document_id = h.document_id
) AS f
INNER JOIN collections AS n ON f.collection_id = n.collection_id
WHERE f.kind IS NOT null
GROUP BY f.kind, n.name
ORDER BY n.name, f.kind
