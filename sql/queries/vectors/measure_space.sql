-- Purpose: what decides how much memory the graph of a space's index takes, beside the number of its vectors.
-- Parameters: space_id. Index: spaces_pkey.
SELECT
    s.name,
    'vectors_' || s.name AS vectors,
    s.dimensions,
    s.storage
FROM spaces AS s
WHERE s.space_id = %(space_id)s
