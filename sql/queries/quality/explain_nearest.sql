-- Purpose: how the planner would run the plain query of docs/sql.md, with a stored vector as the question.
-- Parameters: embedding; identifiers: chunks, storage. Index: what this finds out.
EXPLAIN (FORMAT JSON)
SELECT
    c.uri,
    c.text
FROM {search}.{chunks} AS c
ORDER BY c.embedding <=> %(embedding)s::{storage}
LIMIT 10
