-- Purpose: stored parses, to be cut again.
-- Parameters: elements_ids. Index: elements_pkey.
SELECT
    e.elements_id,
    e.text,
    e.elements
FROM elements AS e
WHERE e.elements_id = any(%(elements_ids)s::bigint[])
ORDER BY e.elements_id
