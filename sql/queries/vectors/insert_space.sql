-- Purpose: record a probed space; the first one is live.
-- Parameters: the space's columns. Index: spaces (name).
INSERT INTO spaces (
    name, model, query_model, served_model, dimensions, storage, passage_prefix, query_prefix, normalised,
    token_limit, tokenizer, max_inputs, live
)
VALUES (
    %(name)s, %(model)s, %(query_model)s, %(served_model)s, %(dimensions)s, %(storage)s, %(passage_prefix)s,
    %(query_prefix)s, %(normalised)s, %(token_limit)s, %(tokenizer)s, %(max_inputs)s,
    NOT EXISTS (
        SELECT 1 FROM spaces
        WHERE live
    )
)
ON CONFLICT (name) DO NOTHING
