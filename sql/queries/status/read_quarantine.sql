-- Purpose: what is held back now, documents and chunks, with the reason in words.
-- Parameters: most: rows, null for all. Index: see the view held_back.
SELECT
    collection,
    uri,
    kind,
    ordinal,
    stage,
    reason,
    message,
    detail,
    attempts,
    first_seen,
    last_seen,
    published,
    space
FROM {search}.quarantine
ORDER BY collection, uri, ordinal, stage
LIMIT %(most)s::bigint
