-- Purpose: let refreshes of a collection publish again; touches no row if it was not pinned.
-- Parameters: collection_id. Index: collections_pkey.
UPDATE collections
SET
    pinned_to = null,
    pinned_by = null,
    converged = null
WHERE collection_id = %(collection_id)s AND pinned_to IS NOT null
