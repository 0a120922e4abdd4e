-- Purpose: under which settings a collection has nothing left to do; null if it has.
-- Parameters: collection_id. Index: collections_pkey.
SELECT converged
FROM collections
WHERE collection_id = %(collection_id)s
