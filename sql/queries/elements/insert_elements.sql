-- Purpose: store parses; one that another refresh stored meanwhile stays as it is.
-- Parameters: recipe_id, and arrays of equal length. Index: elements (content_hash, format, recipe_id), documents
-- (content_hash).
INSERT INTO elements (
    content_hash, format, recipe_id, title, text, elements, pages, language, properties, attachments, counters, size
)
SELECT
    f.content_hash,
    f.format,
    %(recipe_id)s,
    f.title,
    f.text,
    f.elements::jsonb,
    f.pages,
    f.language,
    f.properties::jsonb,
    f.attachments::jsonb,
    f.counters::jsonb,
    (
        SELECT max(d.size) FROM documents AS d
        WHERE d.content_hash = f.content_hash
    )
FROM
    unnest(
        %(digests)s::bytea[], %(formats)s::text[], %(titles)s::text[], %(texts)s::text[],
        %(elements)s::text[], %(pages)s::integer[], %(languages)s::text[],
        %(properties)s::text[], %(attachments)s::text[], %(counters)s::text[]
    ) AS f (content_hash, format, title, text, elements, pages, language, properties, attachments, counters)
ORDER BY f.content_hash, f.format
ON CONFLICT (content_hash, format, recipe_id) DO NOTHING
