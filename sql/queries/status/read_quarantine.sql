-- Purpose: the documents that are held back now, with the reason.
-- Parameters: none. Index: quarantine_pkey.
SELECT
    c.name AS collection,
    d.uri,
    q.stage,
    q.reason,
    q.detail,
    q.attempts,
    q.first_seen
FROM quarantine AS q
INNER JOIN documents AS d ON q.document_id = d.document_id
INNER JOIN collections AS c ON d.collection_id = c.collection_id
WHERE
    d.vanished_at IS null
    AND q.content_hash = d.content_hash
    AND q.recipe_id IN (c.parse_recipe_id, c.chunk_recipe_id)
    AND NOT q.retry
ORDER BY c.name, d.uri
LIMIT 200
