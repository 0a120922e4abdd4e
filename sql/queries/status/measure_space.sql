-- Purpose: the size of a space, and the state of its index: valid, invalid or missing.
-- Parameters: space_id; identifier: vectors. Index: a scan of the vectors' primary key.
SELECT
    (SELECT count(*) FROM {vectors}) AS vectors,
    s.retired,
    pg_table_size(to_regclass(quote_ident('vectors_' || s.name))) AS table_bytes,
    CASE WHEN i.indexrelid IS null THEN 'missing' WHEN has_index(s.space_id) THEN 'valid' ELSE 'invalid' END AS index,
    coalesce(pg_relation_size(i.indexrelid), 0) AS index_bytes
FROM spaces AS s
LEFT JOIN pg_index AS i ON i.indexrelid = to_regclass(quote_ident('vectors_' || s.name || '_hnsw'))
WHERE s.space_id = %(space_id)s
