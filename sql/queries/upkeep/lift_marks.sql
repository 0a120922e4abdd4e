-- Purpose: let an erased document, and what was attached to it, come back.
-- Parameters: collection, uri_hash. Index: erasures_by_uri.
DELETE FROM erasures AS e
WHERE
    e.collection = %(collection)s
    AND (e.uri_hash = %(uri_hash)s OR e.removed ->> 'with' = encode(%(uri_hash)s::bytea, 'hex'))
