-- Purpose: have the owner let readers see a space as search.chunks.
-- Parameters: space_id.
SELECT promote_space(%(space_id)s)
