-- Purpose: take documents out of every publish.
-- Parameters: document_ids. Index: publish_changes_pkey.
DELETE FROM publish_changes
WHERE document_id = ANY(%(document_ids)s::bigint[])
