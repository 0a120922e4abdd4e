-- Purpose: write down which heads a rollback moves: what each document showed after publish `number`, where that
-- differs from what it shows now, and what it did not show then.
-- Parameters: collection_id, publish_id, number. Index: publish_changes_pkey, heads_by_collection_id.
INSERT INTO publish_changes (publish_id, document_id, chunk_set_id, link, title, metadata)
WITH past AS (
    SELECT DISTINCT ON (c.document_id)
        c.document_id,
        c.chunk_set_id,
        c.link,
        c.title,
        c.metadata
    FROM publish_changes AS c
    INNER JOIN publishes AS p ON c.publish_id = p.publish_id
    WHERE p.collection_id = %(collection_id)s AND p.number <= %(number)s
    ORDER BY c.document_id ASC, c.publish_id DESC
)

SELECT
    %(publish_id)s,
    coalesce(past.document_id, h.document_id) AS document_id,
    past.chunk_set_id,
    past.link,
    past.title,
    past.metadata
FROM past
FULL JOIN (
    SELECT
        document_id,
        chunk_set_id,
        link,
        title,
        metadata
    FROM heads
    WHERE collection_id = %(collection_id)s
) AS h ON past.document_id = h.document_id
WHERE
    (past.chunk_set_id IS NOT null OR h.document_id IS NOT null)
    AND (h.chunk_set_id, h.link, h.title, h.metadata)
    IS DISTINCT FROM (past.chunk_set_id, past.link, past.title, past.metadata)
