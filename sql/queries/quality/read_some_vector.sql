-- Purpose: a stored vector, as text.
-- Parameters: none; identifier: vectors. Index: the vectors' primary key.
SELECT v.embedding::text AS embedding
FROM {vectors} AS v
ORDER BY v.text_id
LIMIT 1
