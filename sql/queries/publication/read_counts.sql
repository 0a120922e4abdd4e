-- Purpose: what a publish moved, by kind.
-- Parameters: publish_id. Index: publishes_pkey.
SELECT p.counts
FROM publishes AS p
WHERE p.publish_id = %(publish_id)s
