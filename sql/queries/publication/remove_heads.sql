-- Purpose: take away the heads of documents that a publish takes away.
-- Parameters: publish_id. Index: publish_changes_by_publish.
DELETE FROM heads AS h
USING publish_changes AS c
WHERE c.publish_id = %(publish_id)s AND c.chunk_set_id IS null AND h.document_id = c.document_id
