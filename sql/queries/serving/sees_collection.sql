-- Purpose: whether the caller sees anything of a collection: one row, or none.
-- Parameters: collection. Index: heads_by_uri.
SELECT d.collection
FROM {search}.documents AS d
WHERE d.collection = %(collection)s
LIMIT 1
