-- Purpose: note that attachments are gone: their mail is, or it was parsed and no longer holds them.
-- Parameters: collection_id. Index: documents_by_parent.
UPDATE documents AS d
SET vanished_at = now()
FROM documents AS mail
LEFT JOIN targets AS t ON mail.document_id = t.document_id
LEFT JOIN elements AS e ON t.elements_id = e.elements_id
WHERE
    d.collection_id = %(collection_id)s
    AND d.parent_id = mail.document_id
    AND d.vanished_at IS null
    AND (
        mail.vanished_at IS NOT null
        OR (
            e.elements_id IS NOT null
            AND NOT EXISTS (
                SELECT 1 FROM jsonb_to_recordset(e.attachments) AS a (part text, name text) -- noqa: RF02
                WHERE a.part = d.part AND mail.uri || '!/' || a.name = d.uri
            )
        )
    )
RETURNING d.document_id
