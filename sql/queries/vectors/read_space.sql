-- Purpose: a space as it was made.
-- Parameters: name. Index: spaces (name).
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
WHERE s.name = %(name)s
