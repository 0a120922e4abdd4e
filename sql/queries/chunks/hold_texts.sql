-- Purpose: keep texts from being collected as garbage until chunks name them; one row a text that is there.
-- Parameters: digests. Index: texts (hash).
SELECT t.text_id
FROM texts AS t
WHERE t.hash = ANY(%(digests)s::bytea[])
ORDER BY t.hash
FOR KEY SHARE
