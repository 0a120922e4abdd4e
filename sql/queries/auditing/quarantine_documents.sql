-- Purpose: hold back documents that an audit named.
-- Parameters: document_ids, stage, reason, detail, recipe_id. Index: quarantine_pkey.
INSERT INTO quarantine AS held (document_id, stage, reason, detail, content_hash, recipe_id)
SELECT
    d.document_id,
    %(stage)s,
    %(reason)s,
    %(detail)s,
    d.content_hash,
    %(recipe_id)s
FROM documents AS d
WHERE d.document_id = ANY(%(document_ids)s::bigint[])
ON CONFLICT (document_id, stage) DO UPDATE SET
    reason = excluded.reason,
    detail = excluded.detail,
    attempts = CASE WHEN held.content_hash = excluded.content_hash THEN held.attempts + 1 ELSE 1 END,
    content_hash = excluded.content_hash,
    recipe_id = excluded.recipe_id,
    retry = false,
    last_seen = now()
