-- Purpose: whether a collection has, or had, any mail whose attachments have to be followed.
-- Parameters: collection_id. Index: documents (collection_id, uri).
SELECT EXISTS(
    SELECT 1 FROM documents AS d
    WHERE d.collection_id = %(collection_id)s AND d.format IN ('eml', 'msg')
) AS has_mails
