-- Purpose: forget changes that no kept publish rests on.
-- Parameters: document_ids and publish_ids of equal length. Index: publish_changes_pkey.
DELETE FROM publish_changes AS c
USING unnest(%(document_ids)s::bigint[], %(publish_ids)s::bigint[]) AS f (document_id, publish_id)
WHERE c.document_id = f.document_id AND c.publish_id = f.publish_id
