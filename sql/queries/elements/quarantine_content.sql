-- Purpose: hold back every document of a collection that has these bytes; a repeated failure counts up.
-- Parameters: collection_id, recipe_id, stage, and arrays of equal length.
-- Index: documents (content_hash), quarantine_pkey.
INSERT INTO quarantine AS held (document_id, stage, reason, detail, content_hash, recipe_id)
SELECT
    d.document_id,
    %(stage)s,
    f.reason,
    f.detail,
    f.content_hash,
    %(recipe_id)s
FROM
    unnest(
        %(digests)s::bytea[], %(formats)s::text[], %(reasons)s::text[], %(details)s::text[]
    ) AS f (content_hash, format, reason, detail)
INNER JOIN documents AS d ON f.content_hash = d.content_hash AND f.format = d.format
WHERE d.collection_id = %(collection_id)s AND d.vanished_at IS null
ON CONFLICT (document_id, stage) DO UPDATE SET
    reason = excluded.reason,
    detail = excluded.detail,
    attempts = CASE WHEN held.content_hash = excluded.content_hash THEN held.attempts + 1 ELSE 1 END,
    content_hash = excluded.content_hash,
    recipe_id = excluded.recipe_id,
    retry = false,
    last_seen = now()
