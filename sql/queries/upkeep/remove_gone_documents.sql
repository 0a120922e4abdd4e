-- Purpose: forget documents that are gone from their source, if still no head and no kept publish shows them, and
-- nothing attached to them is left.
-- Parameters: ids. Index: documents_pkey, heads_pkey, publish_changes_pkey, documents_by_parent.
DELETE FROM documents AS d
WHERE
    d.document_id = ANY(%(ids)s::bigint[])
    AND d.vanished_at IS NOT null
    AND NOT EXISTS (
        SELECT 1 FROM heads AS h
        WHERE h.document_id = d.document_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM publish_changes AS c
        WHERE c.document_id = d.document_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM documents AS inside
        WHERE inside.parent_id = d.document_id
    )
