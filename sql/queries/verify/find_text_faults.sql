-- Purpose: the texts in use against their hashes: a row a kind of fault and collection.
-- Parameters: collection_ids. Index: chunks_pkey, texts_pkey.
SELECT
    f.kind,
    f.collection,
    count(DISTINCT f.text_id) AS found,
    (array_agg(DISTINCT f.uri))[1:5] AS examples
FROM (
    SELECT
        u.collection,
        u.uri,
        u.text_id,
        CASE
            WHEN t.text_id IS null THEN 'texts_missing'
            WHEN NOT is_sound(t) THEN 'texts_altered'
        END AS kind
    FROM used_texts AS u
    LEFT JOIN texts AS t ON u.text_id = t.text_id
    WHERE u.collection_id = any(%(collection_ids)s::integer[])
) AS f
WHERE f.kind IS NOT null
GROUP BY f.kind, f.collection
ORDER BY f.collection, f.kind
