-- Purpose: the k nearest published passages of a space.
-- Parameters: embedding (as text), collection (null for all), k; identifier: chunks. Index: the space's HNSW.
SELECT
    c.collection,
    c.uri,
    c.link,
    c.title,
    c.heading_path,
    c.pages,
    c.ordinal,
    c.text,
    c.metadata,
    c.publish,
    c.run_id,
    1 - (c.embedding <=> %(embedding)s::{vector_type}) AS score
FROM {search}.{chunks} AS c
WHERE %(collection)s::text IS null OR c.collection = %(collection)s
ORDER BY c.embedding <=> %(embedding)s::{vector_type}
LIMIT %(k)s
