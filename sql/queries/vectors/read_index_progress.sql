-- Purpose: how many vectors a backend has put into the index that it is building.
-- Parameters: pid. Index: none; a row a build.
SELECT coalesce(p.tuples_done, 0) AS done
FROM pg_stat_progress_create_index AS p
WHERE p.pid = %(pid)s
