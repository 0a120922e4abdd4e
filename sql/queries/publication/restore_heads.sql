-- Purpose: the flip of a rollback: readers see the state of publish `number` from the commit on.
-- Parameters: collection_id, collection, publish_id, number. Index: see the function restore_heads.
SELECT restore_heads(%(collection_id)s, %(collection)s, %(publish_id)s, %(number)s)
