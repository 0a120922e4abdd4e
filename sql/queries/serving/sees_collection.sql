-- Purpose: whether the caller sees anything of a collection.
-- Parameters: collection. Index: heads_by_uri.
SELECT
    EXISTS (
        SELECT 1 FROM {search}.documents AS d
        WHERE d.collection = %(collection)s
    ) AS seen
