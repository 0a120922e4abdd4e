-- Purpose: how many documents of a collection the caller sees.
-- Parameters: collection. Index: heads_by_uri.
SELECT count(*) AS documents
FROM {search}.documents AS d
WHERE d.collection = %(collection)s
