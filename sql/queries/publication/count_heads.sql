-- Purpose: how many heads a collection has, by the heads and by the ledger of publishes.
-- Parameters: collection_id. Index: publish_changes_pkey.
SELECT
    (
        SELECT count(*) FROM heads AS h
        WHERE h.collection_id = %(collection_id)s
    ) AS heads,
    (
        SELECT count(*)
        FROM (
            SELECT DISTINCT ON (c.document_id) c.chunk_set_id
            FROM publish_changes AS c
            INNER JOIN publishes AS p ON c.publish_id = p.publish_id
            WHERE p.collection_id = %(collection_id)s
            ORDER BY c.document_id ASC, c.publish_id DESC
        ) AS latest
        WHERE latest.chunk_set_id IS NOT null
    ) AS ledger
