-- Purpose: what a client needs to make a question's vector: the space of a name, or the live one.
-- Parameters: space (null for the live one).
SELECT
    s.space,
    s.query_model,
    s.query_prefix,
    s.dimensions,
    s.storage
FROM {search}.spaces AS s
WHERE CASE WHEN %(space)s::text IS NULL THEN s.live ELSE s.space = %(space)s END
