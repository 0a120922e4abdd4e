-- Purpose: a collection is complete in a space no more; the next refresh fills it.
-- Parameters: collection_id, space_id. Index: space_fills_pkey.
DELETE FROM space_fills
WHERE collection_id = %(collection_id)s AND space_id = %(space_id)s
