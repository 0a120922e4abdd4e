-- Purpose: have the owner build a second index beside the live one.
-- Parameters: space_id.
SELECT build_spare_index(%(space_id)s)
