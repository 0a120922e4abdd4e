-- Purpose: the spaces, how many vectors were removed since each one's index was built, whether it has one, and
-- whether an interrupted rebuild left a spare one.
-- Parameters: none. Index: none; a few rows.
SELECT
    s.space_id,
    'vectors_' || s.name AS vectors,
    s.retired,
    to_regclass(quote_ident('vectors_' || s.name || '_hnsw')) IS NOT null AS indexed,
    to_regclass(quote_ident('vectors_' || s.name || '_hnsw_spare')) IS NOT null AS spare
FROM spaces AS s
ORDER BY s.space_id
