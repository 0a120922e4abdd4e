-- Purpose: the collections that the database has.
-- Parameters: none. Index: collections (name).
SELECT c.name
FROM collections AS c
ORDER BY c.name
