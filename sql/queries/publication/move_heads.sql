-- Purpose: the flip: readers see the new state from the commit on.
-- Parameters: publish_id, collection_id, collection. Index: heads_pkey.
INSERT INTO heads (
    document_id, collection_id, collection, chunk_set_id, uri, link, title, metadata, publish_id, audience_id, profile
)
SELECT
    c.document_id,
    %(collection_id)s,
    %(collection)s,
    c.chunk_set_id,
    d.uri,
    c.link,
    c.title,
    c.metadata,
    c.publish_id,
    a.audience_id,
    -- Where nothing was ever described, nothing is looked up: a call a row would take longer than the flip.
    CASE WHEN present.profiles THEN shown_profile(s.elements_id, %(collection_id)s) END AS profile
FROM publish_changes AS c
INNER JOIN chunk_sets AS s ON c.chunk_set_id = s.chunk_set_id
INNER JOIN documents AS d ON c.document_id = d.document_id
CROSS JOIN (SELECT EXISTS(SELECT 1 FROM profiles) AS profiles) AS present
CROSS JOIN LATERAL audience_of(%(collection_id)s, d.uri, c.metadata) AS a
WHERE c.publish_id = %(publish_id)s AND c.chunk_set_id IS NOT null
ON CONFLICT (document_id) DO UPDATE SET
    chunk_set_id = excluded.chunk_set_id,
    link = excluded.link,
    title = excluded.title,
    metadata = excluded.metadata,
    publish_id = excluded.publish_id,
    audience_id = excluded.audience_id,
    profile = excluded.profile
