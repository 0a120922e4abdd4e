-- Purpose: forget what was sent to endpoints more than an hour ago.
-- Parameters: none. Index: rate_usage_pkey.
DELETE FROM rate_usage
WHERE second < clock_timestamp() - interval '1 hour'
