-- Purpose: the contents of a collection that have no parse under the declared recipe, each once, the
-- largest first: the last one to finish decides how long the stage takes. An attachment is read out of the file
-- that its source lists: root is that file, and parts say where it is in it, outermost first.
-- Parameters: collection_id. Index: see the view targets.
SELECT
    u.content_hash,
    u.format,
    CASE WHEN u.parent_id IS null THEN u.uri ELSE file.uri END AS uri,
    coalesce(file.parts, ARRAY[]::text []) AS parts,
    count(*) OVER () AS total
FROM (
    SELECT DISTINCT ON (t.content_hash, t.format)
        t.content_hash,
        t.format,
        t.uri,
        t.size,
        t.parent_id,
        t.document_id
    FROM targets AS t
    WHERE t.collection_id = %(collection_id)s AND t.elements_id IS null AND NOT t.quarantined
    ORDER BY t.content_hash, t.format, t.parent_id NULLS FIRST, t.uri
) AS u
LEFT JOIN files_of_attachments AS file ON u.document_id = file.document_id AND u.parent_id IS NOT null
ORDER BY u.size DESC
