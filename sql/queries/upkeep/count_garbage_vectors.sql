-- Purpose: how many vectors of a space a garbage collection would remove.
-- Parameters: keep_days, keep_publishes; identifier: vectors. Index: the vectors' primary key.
SELECT count(*) AS vectors
FROM garbage(%(keep_days)s, %(keep_publishes)s) AS g
INNER JOIN {vectors} AS v ON g.id = v.text_id
WHERE g.kind = 'texts'
