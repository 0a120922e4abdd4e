-- Purpose: note how the last attempt to make a collection's profiles ended.
-- Parameters: collection_id; failure: one sentence, null where it went well. Index: collections_pkey.
UPDATE collections
SET profile_failure = %(failure)s
WHERE collection_id = %(collection_id)s AND profile_failure IS DISTINCT FROM %(failure)s::text
