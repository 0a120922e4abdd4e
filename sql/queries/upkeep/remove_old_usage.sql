-- Purpose: forget what was sent to endpoints longer ago than any window reaches back.
-- Parameters: none. Index: none; a small table.
DELETE FROM rate_usage
WHERE second < clock_timestamp() - interval '1 hour'
