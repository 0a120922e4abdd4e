-- Purpose: remove texts; what hangs on them goes with them: refusals, passes, claims.
-- Parameters: ids. Index: texts_pkey.
DELETE FROM texts
WHERE text_id = ANY(%(ids)s::bigint[])
