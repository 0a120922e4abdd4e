-- Purpose: the live space, as readers see it.
-- Parameters: none.
SELECT
    s.space,
    s.query_model,
    s.query_prefix,
    s.dimensions,
    s.storage
FROM {search}.spaces AS s
WHERE s.live
