-- Purpose: what a publish moves, by kind; counted before the heads move.
-- Parameters: publish_id. Index: publish_changes_by_publish, heads_pkey.
SELECT
    count(*) FILTER (WHERE c.chunk_set_id IS NOT null AND h.document_id IS null) AS added,
    count(*) FILTER (
        WHERE c.chunk_set_id IS NOT null
        AND h.chunk_set_id IS DISTINCT FROM c.chunk_set_id
        AND h.document_id IS NOT null
    ) AS changed,
    count(*) FILTER (WHERE c.chunk_set_id = h.chunk_set_id) AS metadata_only,
    count(*) FILTER (WHERE c.chunk_set_id IS null) AS removed
FROM publish_changes AS c
LEFT JOIN heads AS h ON c.document_id = h.document_id
WHERE c.publish_id = %(publish_id)s
