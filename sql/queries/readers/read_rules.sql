-- Purpose: the rules of who may read what that are in force, in the order in which they are asked, with how many
-- published documents each decides for and which of its roles the server does not have.
-- Parameters: collection (null for all). Index: collections (name), heads_by_collection_id.
SELECT
    c.name AS collection,
    a.pattern,
    a.contains,
    a.readers,
    ARRAY(
        SELECT r.name
        FROM unnest(a.readers) WITH ORDINALITY AS r (name, nth)
        LEFT JOIN pg_roles AS known ON r.name = known.rolname
        WHERE known.oid IS null
        ORDER BY r.nth
    ) AS missing,
    (
        SELECT count(*) FROM heads AS h
        WHERE h.collection_id = a.collection_id AND h.audience_id = a.audience_id
    ) AS documents
FROM collections AS c
INNER JOIN audiences AS a ON c.collection_id = a.collection_id
WHERE c.name = coalesce(%(collection)s, c.name)
ORDER BY c.name, a.place
