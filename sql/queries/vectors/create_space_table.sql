-- Purpose: have the owner make a space's table and views.
-- Parameters: space_id.
SELECT create_space_table(%(space_id)s)
