-- Purpose: how many heads of a collection the ledger does not know, and how many there are.
-- Parameters: collection_id. Index: heads_by_collection_id, see the view ledger_heads.
SELECT
    count(*) AS heads,
    count(*) FILTER (WHERE l.document_id IS null) AS extra
FROM heads AS h
LEFT JOIN documents AS d ON h.document_id = d.document_id
LEFT JOIN ledger_heads AS l ON h.document_id = l.document_id
WHERE coalesce(d.collection_id, h.collection_id) = %(collection_id)s
