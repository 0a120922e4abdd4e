-- Purpose: all spaces as they were made, the live one first.
-- Parameters: none. Index: none; a few rows.
SELECT
    s.space_id,
    s.name,
    s.model,
    s.query_model,
    s.served_model,
    s.dimensions,
    s.storage,
    s.passage_prefix,
    s.query_prefix,
    s.normalised,
    s.token_limit,
    s.max_inputs,
    s.tokenizer,
    s.live,
    s.ready
FROM spaces AS s
ORDER BY s.live DESC, s.space_id ASC
