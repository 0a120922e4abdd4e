-- Purpose: hold back every document of a collection that has these bytes.
-- Parameters: collection_id, recipe_id, stage, and arrays of equal length.
-- Index: documents (content_hash); see hold_back.
SELECT hold_back(d.document_id, %(stage)s, f.reason, f.detail, f.content_hash, %(recipe_id)s)
FROM
    unnest(
        %(digests)s::bytea[], %(formats)s::text[], %(reasons)s::text[], %(details)s::text[]
    ) AS f (content_hash, format, reason, detail)
INNER JOIN documents AS d ON f.content_hash = d.content_hash AND f.format = d.format
WHERE d.collection_id = %(collection_id)s AND d.vanished_at IS null
