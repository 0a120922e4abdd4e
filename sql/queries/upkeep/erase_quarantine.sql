-- Purpose: forget why documents were held back.
-- Parameters: document_ids. Index: quarantine_pkey.
DELETE FROM quarantine
WHERE document_id = ANY(%(document_ids)s::bigint[])
