-- Purpose: have the owner remove a space that is not live; how many rows of each table went.
-- Parameters: space_id.
SELECT
    d.name,
    d.removed
FROM drop_space(%(space_id)s) AS d
