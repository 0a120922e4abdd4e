-- Purpose: one row: whether more documents of a collection are held back than its limits allow.
-- Parameters: collection_id, quarantined_documents, quarantined_share. Index: see the view targets.
SELECT
    count(*) AS documents,
    count(*) FILTER (WHERE t.quarantined) AS quarantined,
    CASE
        WHEN
            count(*) FILTER (WHERE t.quarantined) > %(quarantined_documents)s
            AND count(*) FILTER (WHERE t.quarantined) > %(quarantined_share)s * count(*)
            THEN 1
        ELSE 0
    END AS too_many
FROM targets AS t
WHERE t.collection_id = %(collection_id)s
