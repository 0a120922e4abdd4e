-- Purpose: which of some contents were ever parsed: they will not be embedded again.
-- Parameters: digests. Index: elements (content_hash, format, recipe_id).
SELECT DISTINCT e.content_hash
FROM elements AS e
WHERE e.content_hash = ANY(%(digests)s::bytea[])
