-- Purpose: what a space is, for all who read it as `assets.vectors.spaces.KnownSpace`. Columns that count something
-- (retired) are not part of it.
DROP VIEW IF EXISTS known_spaces;
CREATE VIEW known_spaces AS
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
FROM spaces AS s;
