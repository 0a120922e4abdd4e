-- Purpose: a published document, as far as the caller sees it.
-- Parameters: collection, uri.
SELECT
    d.collection,
    d.uri,
    d.link,
    d.title,
    d.language,
    d.format,
    d.pages,
    d.metadata,
    d.published_at,
    d.publish
FROM {search}.documents AS d
WHERE d.collection = %(collection)s AND d.uri = %(uri)s
