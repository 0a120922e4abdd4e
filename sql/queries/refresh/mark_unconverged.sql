-- Purpose: note that a collection has work to do, with the change that makes it so.
-- Parameters: collection_id. Index: collections_pkey.
UPDATE collections
SET converged = null
WHERE collection_id = %(collection_id)s AND converged IS NOT null
