-- Purpose: a space as it was made.
-- Parameters: name. Index: spaces (name).
SELECT
    space_id,
    name,
    model,
    query_model,
    served_model,
    dimensions,
    storage,
    passage_prefix,
    query_prefix,
    normalised,
    token_limit,
    max_inputs,
    live
FROM spaces
WHERE name = %(name)s
