-- Purpose: keep with the publish what it moved.
-- Parameters: publish_id, counts. Index: publishes_pkey.
UPDATE publishes
SET counts = %(counts)s::jsonb
WHERE publish_id = %(publish_id)s
