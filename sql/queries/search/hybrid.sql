-- Purpose: the k published passages that answer a question best, by meaning and by words.
-- Parameters: space, embedding (as text), words, k, filter (JSON), neighbours.
-- Index: the space's HNSW, texts_by_lexemes.
SELECT p.*
FROM {search}.hybrid(%(space)s, %(embedding)s::vector, %(words)s, %(k)s, %(filter)s::jsonb, %(neighbours)s) AS p
ORDER BY p.rank
