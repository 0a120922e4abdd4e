-- Purpose: let documents that are held back be tried again, because a person asked; returns how many entries of the
-- quarantine that were. A file that was judged unread, as one that was too large, is looked at again by the next scan.
-- Parameters: collection_id; uri, stage, reason: null for any. Index: quarantine_pkey, documents_pkey.
WITH marked AS (
    UPDATE quarantine AS q
    SET retry = true
    FROM held_back AS b
    INNER JOIN documents AS d ON b.document_id = d.document_id
    WHERE
        b.kind = 'document'
        AND b.collection_id = %(collection_id)s
        AND (%(uri)s::text IS null OR d.uri = %(uri)s)
        AND (%(stage)s::text IS null OR b.stage = %(stage)s)
        AND (%(reason)s::text IS null OR b.reason = %(reason)s)
        AND q.document_id = b.document_id
        AND q.stage = b.stage
    RETURNING
        q.document_id,
        q.stage
),

looked_at AS (
    UPDATE documents AS d
    SET settled = false
    FROM marked AS m
    WHERE m.document_id = d.document_id AND m.stage = 'elements' AND d.parent_id IS null
)

SELECT count(*) AS marked FROM marked
