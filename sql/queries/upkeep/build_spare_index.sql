-- Purpose: have the owner build a second index beside the live one.
-- Parameters: space_id, memory_mb.
SELECT build_spare_index(%(space_id)s, %(memory_mb)s)
