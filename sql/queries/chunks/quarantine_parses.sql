-- Purpose: hold back every document of a collection that has one of these parses, which could not be cut; a
-- repeated failure counts up.
-- Parameters: collection_id, recipe_id, reason, and elements_ids and details of equal length.
-- Index: elements_pkey, documents (content_hash), quarantine_pkey.
INSERT INTO quarantine AS held (document_id, stage, reason, detail, content_hash, recipe_id)
SELECT
    d.document_id,
    'chunks',
    %(reason)s,
    f.detail,
    d.content_hash,
    %(recipe_id)s
FROM unnest(%(elements_ids)s::bigint[], %(details)s::text[]) AS f (elements_id, detail)
INNER JOIN elements AS e ON f.elements_id = e.elements_id
INNER JOIN documents AS d ON e.content_hash = d.content_hash AND e.format = d.format
WHERE d.collection_id = %(collection_id)s AND d.vanished_at IS null
ON CONFLICT (document_id, stage) DO UPDATE SET
    reason = excluded.reason,
    detail = excluded.detail,
    attempts = CASE WHEN held.content_hash = excluded.content_hash THEN held.attempts + 1 ELSE 1 END,
    content_hash = excluded.content_hash,
    recipe_id = excluded.recipe_id,
    retry = false,
    last_seen = now()
