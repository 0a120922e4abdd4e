-- Purpose: note that attachments are gone, with all that is attached to them: their mail is, or it was parsed and no
-- longer holds them, or the settings leave them out. A mail that cannot be read keeps what it had.
-- Parameters: collection_id, left_out: uris. Index: documents_by_parent.
WITH RECURSIVE gone AS (
    SELECT d.document_id
    FROM documents AS d
    INNER JOIN documents AS mail ON d.parent_id = mail.document_id
    LEFT JOIN targets AS t ON mail.document_id = t.document_id
    LEFT JOIN elements AS e ON t.elements_id = e.elements_id
    WHERE
        d.collection_id = %(collection_id)s
        AND d.vanished_at IS null
        AND (
            mail.vanished_at IS NOT null
            OR d.uri = any(%(left_out)s::text[])
            OR (
                e.elements_id IS NOT null
                AND NOT EXISTS (
                    SELECT 1 FROM jsonb_to_recordset(e.attachments) AS a (part text, name text) -- noqa: RF02
                    WHERE a.part = d.part AND mail.uri || '!/' || a.name = d.uri
                )
            )
        )
    UNION
    SELECT inside.document_id
    FROM gone AS g
    INNER JOIN documents AS inside ON g.document_id = inside.parent_id
    WHERE inside.vanished_at IS null
)

UPDATE documents AS d
SET vanished_at = now()
FROM gone AS g
WHERE d.document_id = g.document_id
RETURNING d.document_id
