-- Purpose: note that nothing is left to do under these settings.
-- Parameters: collection_id, fingerprint. Index: collections_pkey.
UPDATE collections
SET converged = %(fingerprint)s
WHERE collection_id = %(collection_id)s AND converged IS DISTINCT FROM %(fingerprint)s
