-- Purpose: hold rows that are to be removed; one that somebody is about to name is left for the next time.
-- Parameters: ids. Index: elements_pkey.
SELECT x.elements_id AS id
FROM elements AS x
WHERE x.elements_id = ANY(%(ids)s::bigint[])
ORDER BY x.elements_id
FOR UPDATE SKIP LOCKED
