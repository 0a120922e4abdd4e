-- Purpose: the parses of a collection that were not cut under the declared recipe, each once.
-- Parameters: collection_id. Index: see the view targets.
SELECT
    e.elements_id,
    e.text,
    e.elements
FROM elements AS e
WHERE
    e.elements_id IN (
        SELECT t.elements_id
        FROM targets AS t
        WHERE t.collection_id = %(collection_id)s AND t.chunk_set_id IS null AND NOT t.quarantined
    )
ORDER BY e.elements_id
