-- Purpose: digests of what was erased from a collection, and which present documents have such bytes all the same, as
-- they had them before.
-- Parameters: collection, collection_id. Index: erasures_by_uri, documents_by_content.
WITH marks AS (
    SELECT
        e.uri_hash,
        e.content_hash
    FROM erasures AS e
    WHERE e.collection = %(collection)s
),

holders AS (
    SELECT
        d.uri,
        d.content_hash
    FROM documents AS d
    WHERE
        d.collection_id = %(collection_id)s
        AND d.vanished_at IS null
        AND d.content_hash IN (SELECT m.content_hash FROM marks AS m)
)

SELECT
    array(SELECT DISTINCT m.uri_hash FROM marks AS m) AS uris,
    array(
        SELECT DISTINCT m.content_hash FROM marks AS m
        WHERE m.content_hash IS NOT null
    ) AS contents,
    array(
        SELECT h.uri FROM holders AS h
        ORDER BY h.uri
    ) AS holder_uris,
    array(
        SELECT h.content_hash FROM holders AS h
        ORDER BY h.uri
    ) AS holder_contents
