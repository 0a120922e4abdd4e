-- Purpose: keep documents out from now on: digests of uri and bytes, nothing else of them.
-- Parameters: collection, by, and arrays of equal length: uri_hashes, content_hashes, removed. Index: none.
INSERT INTO erasures (collection, uri_hash, content_hash, erased_by, removed)
SELECT
    %(collection)s,
    f.uri_hash,
    f.content_hash,
    %(by)s,
    f.removed::jsonb
FROM unnest(%(uri_hashes)s::bytea[], %(content_hashes)s::bytea[], %(removed)s::text[])
    AS f (uri_hash, content_hash, removed)
