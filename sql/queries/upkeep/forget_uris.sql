-- Purpose: take the names of erased documents out of what ledgers list as examples.
-- Parameters: uris. Index: none; one pass over small ledgers.
SELECT forget_uris(%(uris)s::text[])
