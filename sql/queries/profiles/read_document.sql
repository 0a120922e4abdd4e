-- Purpose: the text of a parse that is to be described.
-- Parameters: elements_id. Index: elements_pkey.
SELECT
    e.elements_id,
    e.text,
    coalesce(e.title, '') AS title,
    coalesce(e.language, 'und') AS language
FROM elements AS e
WHERE e.elements_id = %(elements_id)s
