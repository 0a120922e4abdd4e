-- Purpose: take away the heads of a collection that no publish gave.
-- Parameters: collection_id. Index: heads_by_collection_id, see the view ledger_heads.
DELETE FROM heads AS h
WHERE
    h.document_id IN (
        SELECT shown.document_id
        FROM heads AS shown
        LEFT JOIN documents AS d ON shown.document_id = d.document_id
        LEFT JOIN ledger_heads AS l ON shown.document_id = l.document_id
        WHERE coalesce(d.collection_id, shown.collection_id) = %(collection_id)s AND l.document_id IS null
    )
