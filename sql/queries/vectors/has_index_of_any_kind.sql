-- Purpose: whether a space has an index of the name that searches rely on, in whatever state.
-- Parameters: space_id. Index: pg_class by name.
SELECT to_regclass(quote_ident('vectors_' || s.name || '_hnsw')) IS NOT null AS found
FROM spaces AS s
WHERE s.space_id = %(space_id)s
