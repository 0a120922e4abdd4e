-- Purpose: remove parses.
-- Parameters: ids. Index: elements_pkey.
DELETE FROM elements
WHERE elements_id = ANY(%(ids)s::bigint[])
