-- Purpose: the k published passages that fit words best.
-- Parameters: space, words, k, filter (JSON), neighbours. Index: texts_by_lexemes.
SELECT p.*
FROM {search}.lexical(%(space)s, %(words)s, %(k)s, %(filter)s::jsonb, %(neighbours)s) AS p
ORDER BY p.rank
