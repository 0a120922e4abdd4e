-- Purpose: one row: what readers see of a collection against the ledger of publishes, and against the
-- vectors of the space that they search.
-- Parameters: collection_id, space_id; identifier: vectors. Index: heads (collection), chunks_pkey.
SELECT
    abs(counted.heads - counted.ledger) AS differing_heads,
    (
        SELECT count(*)
        FROM heads AS h
        INNER JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id
        WHERE
            h.collection_id = %(collection_id)s
            AND NOT EXISTS (
                SELECT 1 FROM {vectors} AS v
                WHERE v.text_id = k.text_id
            )
            AND NOT EXISTS (
                SELECT 1 FROM text_failures AS f
                WHERE f.text_id = k.text_id AND f.space_id = %(space_id)s
            )
    ) AS unsearchable_chunks
FROM (
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
) AS counted
