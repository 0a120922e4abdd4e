-- Purpose: whether a collection has, or had, any mail whose attachments have to be followed. A mail may have become
-- a document of another format, or be gone: then its attachments are left.
-- Parameters: collection_id. Index: documents (collection_id, uri), documents_by_parent.
SELECT EXISTS(
    SELECT 1 FROM documents AS d
    WHERE
        d.collection_id = %(collection_id)s
        AND (d.format IN ('eml', 'msg') OR (d.parent_id IS NOT null AND d.vanished_at IS null))
) AS has_mails
