-- Purpose: the contents of a collection that have no parse under the declared recipe, each once, the
-- largest first: the last one to finish decides how long the stage takes.
-- Parameters: collection_id. Index: see the view targets.
SELECT
    u.content_hash,
    u.format,
    u.uri,
    count(*) OVER () AS total
FROM (
    SELECT DISTINCT ON (t.content_hash, t.format)
        t.content_hash,
        t.format,
        t.uri,
        t.size
    FROM targets AS t
    WHERE t.collection_id = %(collection_id)s AND t.elements_id IS null AND NOT t.quarantined
    ORDER BY t.content_hash, t.format, t.uri
) AS u
ORDER BY u.size DESC
