-- Purpose: the collections from which a uri was erased.
-- Parameters: uri_hash, collection or null. Index: none; a small table.
SELECT DISTINCT e.collection
FROM erasures AS e
WHERE e.uri_hash = %(uri_hash)s AND (e.collection = %(collection)s OR %(collection)s::text IS null)
ORDER BY e.collection
