-- Purpose: how many texts of a collection want a vector again.
-- Parameters: collection_id. Index: wanted_texts_pkey.
SELECT count(*)
FROM wanted_texts
WHERE collection_id = %(collection_id)s
