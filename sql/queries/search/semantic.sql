-- Purpose: the k published passages nearest to a question.
-- Parameters: space, embedding (as text), k, filter (JSON), neighbours. Index: the space's HNSW.
SELECT p.*
FROM {search}.semantic(%(space)s, %(embedding)s::vector, %(k)s, %(filter)s::jsonb, %(neighbours)s) AS p
ORDER BY p.rank
