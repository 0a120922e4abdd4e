-- Purpose: the parses of documents: of their present bytes, and of what a head or a kept publish shows of them.
-- Parameters: document_ids. Index: documents_pkey, elements (content_hash, format, recipe_id), publish_changes_pkey.
SELECT
    d.document_id,
    e.elements_id,
    e.content_hash
FROM documents AS d
INNER JOIN elements AS e ON d.content_hash = e.content_hash AND d.format = e.format
WHERE d.document_id = ANY(%(document_ids)s::bigint[])
UNION
SELECT
    shown.document_id,
    e.elements_id,
    e.content_hash
FROM (
    SELECT
        h.document_id,
        h.chunk_set_id
    FROM heads AS h
    WHERE h.document_id = ANY(%(document_ids)s::bigint[])
    UNION
    SELECT
        c.document_id,
        c.chunk_set_id
    FROM publish_changes AS c
    WHERE c.document_id = ANY(%(document_ids)s::bigint[])
) AS shown
INNER JOIN chunk_sets AS s ON shown.chunk_set_id = s.chunk_set_id
INNER JOIN elements AS e ON s.elements_id = e.elements_id
