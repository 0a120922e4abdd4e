-- Purpose: whether a role may read, and whether it would see everything whatever a collection declares.
-- Parameters: asked, reader and pipeline, all names of roles.
SELECT
    pg_has_role(r.oid, %(reader)s::name, 'USAGE') AS reads,
    r.rolsuper OR pg_has_role(r.oid, %(pipeline)s::name, 'USAGE') AS unbound
FROM pg_roles AS r
WHERE r.rolname = %(asked)s
