-- Purpose: the files in parsed mails that no document stands for as they are now: new ones, changed ones, and those
-- that are left out each time. A file that the source lists under the same uri has taken the place of an attachment.
-- Parameters: collection_id. Index: see the view targets; documents (collection_id, uri).
SELECT
    f.parent_id,
    f.uri,
    f.name,
    f.part,
    f.content_hash,
    f.format,
    f.size,
    cardinality(f.parts) AS depth,
    coalesce(known.parent_id IS null AND known.vanished_at IS null AND known.document_id IS NOT null, false) AS taken
FROM (
    SELECT
        t.collection_id,
        t.document_id AS parent_id,
        t.uri || '!/' || a.name AS uri,
        a.name,
        a.part,
        decode(a.digest, 'hex') AS content_hash,
        a.format,
        a.size,
        coalesce(t.root_uri, t.uri) AS root_uri,
        t.parts || a.part AS parts
    FROM targets AS t
    INNER JOIN elements AS e ON t.elements_id = e.elements_id
    CROSS JOIN
        LATERAL jsonb_to_recordset(e.attachments)
            AS a (part text, name text, digest text, format text, size bigint) -- noqa: RF02
    WHERE t.collection_id = %(collection_id)s AND t.format IN ('eml', 'msg') AND e.attachments <> '[]'
) AS f
LEFT JOIN documents AS known ON f.collection_id = known.collection_id AND f.uri = known.uri
WHERE
    known.document_id IS null
    OR known.vanished_at IS NOT null
    OR (known.content_hash, known.format, known.part, known.parent_id, known.root_uri, known.parts)
    IS DISTINCT FROM (f.content_hash, f.format, f.part, f.parent_id, f.root_uri, f.parts)
ORDER BY f.uri
