-- Purpose: write down texts that the endpoint refused; each is held back alone.
-- Parameters: space_id, text_ids, reason, details. Index: text_failures_pkey.
INSERT INTO text_failures AS held (space_id, text_id, reason, detail)
SELECT
    %(space_id)s,
    f.text_id,
    %(reason)s,
    f.detail
FROM unnest(%(text_ids)s::bigint[], %(details)s::text[]) AS f (text_id, detail)
ON CONFLICT (space_id, text_id) DO UPDATE SET
    detail = excluded.detail,
    attempts = held.attempts + 1,
    last_seen = now()
