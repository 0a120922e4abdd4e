-- Purpose: take documents out of what readers see.
-- Parameters: document_ids. Index: heads_pkey.
DELETE FROM heads
WHERE document_id = ANY(%(document_ids)s::bigint[])
