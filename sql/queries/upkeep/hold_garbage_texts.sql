-- Purpose: hold rows that are to be removed; one that somebody is about to name is left for the next time.
-- Parameters: ids. Index: texts_pkey.
SELECT x.text_id AS id
FROM texts AS x
WHERE x.text_id = ANY(%(ids)s::bigint[])
ORDER BY x.text_id
FOR UPDATE SKIP LOCKED
