-- Purpose: the space that each table takes with its indexes, in bytes.
-- Parameters: none. Index: none.
SELECT
    c.relname AS name,
    pg_total_relation_size(c.oid) AS bytes
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = current_schema() AND c.relkind = 'r'
ORDER BY c.relname
