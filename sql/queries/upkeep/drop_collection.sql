-- Purpose: remove all rows of a collection but its contents; how many of each table.
-- Parameters: collection_id.
SELECT
    d.name,
    d.removed
FROM drop_collection(%(collection_id)s) AS d
