-- Purpose: count vectors that were removed since a space's index was built.
-- Parameters: space_id, removed. Index: spaces_pkey.
UPDATE spaces
SET retired = retired + %(removed)s
WHERE space_id = %(space_id)s
