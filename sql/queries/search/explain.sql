-- Purpose: how a question is answered: indexes, candidates, what each term weighs.
-- Parameters: space, embedding (as text, null for words alone), words (null for meaning alone), k, filter (JSON).
SELECT {search}.explain(%(space)s, %(embedding)s::vector, %(words)s, %(k)s, %(filter)s::jsonb) AS explanation
