-- Purpose: take texts for a refresh, so that no other sends them too: those that nobody has taken, and those whose
-- taker has lost its lease. One row a text that was taken; ordered, so that two refreshes cannot deadlock.
-- A lease whose row is locked belongs to somebody who is writing, and cannot renew it meanwhile: it counts as held.
-- Parameters: space_id, collection_id, token, text_ids. Index: claims_pkey, leases_pkey.
INSERT INTO claims AS held (space_id, text_id, collection_id, token)
SELECT
    %(space_id)s,
    t.text_id,
    %(collection_id)s,
    %(token)s
FROM texts AS t
WHERE t.text_id = any(%(text_ids)s::bigint[])
ORDER BY t.text_id
ON CONFLICT (space_id, text_id) DO UPDATE
    SET
        collection_id = excluded.collection_id,
        token = excluded.token
    WHERE
    (held.collection_id = excluded.collection_id AND held.token <= excluded.token)
    OR EXISTS (
        SELECT 1 FROM leases AS l
        WHERE
            l.collection_id = held.collection_id
            AND (l.token <> held.token OR l.expires_at <= clock_timestamp())
        FOR SHARE SKIP LOCKED
    )
RETURNING text_id
