-- Purpose: the passages of a document from one on, as many as fit into so many characters, and at least one.
-- Parameters: collection, uri, start (ordinal), characters.
SELECT
    p.ordinal,
    p.heading_path,
    p.pages,
    p.text,
    p.last
FROM (
    SELECT
        c.ordinal,
        c.heading_path,
        c.pages,
        c.text,
        sum(char_length(c.text)) OVER (ORDER BY c.ordinal) - char_length(c.text) AS before,
        max(c.ordinal) OVER () AS last
    FROM {search}.chunks AS c
    WHERE c.collection = %(collection)s AND c.uri = %(uri)s AND c.ordinal >= %(start)s
) AS p
WHERE p.before = 0 OR p.before < %(characters)s
ORDER BY p.ordinal
