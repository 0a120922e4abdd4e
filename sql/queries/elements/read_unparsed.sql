-- Purpose: the contents of a collection that have no parse under the declared recipe, each once, the
-- largest first: the last one to finish decides how long the stage takes. An attachment is read out of the file
-- that its source lists; parts say where it is in it.
-- Parameters: collection_id. Index: see the views targets and unparsed.
SELECT
    u.content_hash,
    u.format,
    coalesce(u.root_uri, u.uri) AS uri,
    u.parts,
    count(*) OVER () AS total
FROM (
    SELECT DISTINCT ON (w.content_hash, w.format)
        w.content_hash,
        w.format,
        w.uri,
        w.size,
        w.root_uri,
        w.parts
    FROM unparsed AS w
    WHERE w.collection_id = %(collection_id)s
    ORDER BY w.content_hash, w.format, w.parent_id NULLS FIRST, w.uri
) AS u
ORDER BY u.size DESC
