-- Purpose: have each document of a collection show what the ledger says, as far as that is still there.
-- Parameters: collection_id. Index: heads_pkey, see the view ledger_heads.
INSERT INTO heads AS h (
    document_id, collection_id, collection, chunk_set_id, uri, link, title, metadata, publish_id, audience_id
)
SELECT
    l.document_id,
    l.collection_id,
    l.collection,
    l.chunk_set_id,
    l.uri,
    l.link,
    l.title,
    l.metadata,
    l.publish_id,
    l.audience_id
FROM ledger_heads AS l
INNER JOIN chunk_sets AS s ON l.chunk_set_id = s.chunk_set_id
WHERE l.collection_id = %(collection_id)s
ON CONFLICT (document_id) DO UPDATE
    SET
        collection_id = excluded.collection_id,
        collection = excluded.collection,
        chunk_set_id = excluded.chunk_set_id,
        uri = excluded.uri,
        link = excluded.link,
        title = excluded.title,
        metadata = excluded.metadata,
        publish_id = excluded.publish_id,
        audience_id = excluded.audience_id
    WHERE to_jsonb(h) - 'profile' <> to_jsonb(excluded) - 'profile'
