-- Purpose: how many vectors a space has.
-- Parameters: none; identifier: vectors. Index: the vectors' primary key.
SELECT count(*) AS vectors
FROM {vectors}
