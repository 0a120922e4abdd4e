-- Purpose: the name of the space that readers see.
-- Parameters: none. Index: one_live_space.
SELECT name
FROM spaces
WHERE live
