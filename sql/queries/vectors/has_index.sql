-- Purpose: whether a space's index is there, whole and used by searches.
-- Parameters: space_id. Index: see the function has_index.
SELECT has_index(%(space_id)s)
