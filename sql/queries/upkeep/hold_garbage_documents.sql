-- Purpose: hold rows that are to be removed; one that somebody is about to name is left for the next time.
-- Parameters: ids. Index: documents_pkey.
SELECT x.document_id AS id
FROM documents AS x
WHERE x.document_id = ANY(%(ids)s::bigint[])
ORDER BY x.document_id
FOR UPDATE SKIP LOCKED
