-- Purpose: the index of a space as it is: which one, whole or not, how large; and how many vectors were removed since
-- it was built.
-- Parameters: space_id; identifier: vectors. Index: pg_class and pg_index by name.
SELECT
    concat_ws(' ', c.oid, pg_relation_filenode(c.oid), s.retired) AS state,
    'vectors_' || s.name || '_hnsw' AS named,
    s.retired,
    coalesce(i.indisvalid AND i.indisready AND i.indislive, false) AS valid,
    pg_relation_size(c.oid) AS bytes
FROM spaces AS s
LEFT JOIN pg_class AS c ON c.oid = to_regclass(quote_ident('vectors_' || s.name || '_hnsw'))
LEFT JOIN pg_index AS i ON c.oid = i.indexrelid
WHERE s.space_id = %(space_id)s
