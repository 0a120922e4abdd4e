-- Purpose: keep a collection at the publish that a rollback brought back; there is work for the next refresh.
-- Parameters: collection_id, pinned_to, by. Index: collections_pkey.
UPDATE collections
SET
    pinned_to = %(pinned_to)s,
    pinned_by = %(by)s,
    converged = null
WHERE collection_id = %(collection_id)s
