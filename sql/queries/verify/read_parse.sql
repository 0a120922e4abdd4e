-- Purpose: a stored parse, to be cut again.
-- Parameters: elements_id. Index: elements_pkey.
SELECT
    elements_id,
    text,
    elements
FROM elements
WHERE elements_id = %(elements_id)s
