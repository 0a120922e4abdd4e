-- Purpose: who, beside its owner and superusers, may create in the schema that holds pgvector, and so put a function or an
-- operator before one of the server's own for whoever has that schema on the search path.
-- Parameters: none. Index: none.
SELECT coalesce(r.rolname, 'PUBLIC') AS role
FROM pg_extension AS e
INNER JOIN pg_namespace AS n ON e.extnamespace = n.oid
CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
LEFT JOIN pg_roles AS r ON a.grantee = r.oid
WHERE
    e.extname = 'vector'
    AND a.privilege_type = 'CREATE'
    AND a.grantee <> n.nspowner
    AND r.rolsuper IS NOT true
ORDER BY 1
