-- Purpose: whether anything of a collection still waits: to be read, cut, embedded, shown or taken away,
-- or to be filled into a space.
-- Parameters: collection_id. Index: see the views targets and unparsed; heads_by_collection_id.
SELECT
    EXISTS (
        SELECT 1 FROM unparsed AS w
        WHERE w.collection_id = %(collection_id)s
    )
    OR EXISTS (
        SELECT 1
        FROM targets AS t
        LEFT JOIN heads AS h ON t.document_id = h.document_id
        WHERE
            t.collection_id = %(collection_id)s
            AND NOT t.quarantined
            AND (
                t.postponed
                OR (t.elements_id IS NOT null AND t.chunk_set_id IS null)
                OR (t.chunk_set_id IS NOT null AND h.chunk_set_id IS DISTINCT FROM t.chunk_set_id)
            )
    )
    OR EXISTS (
        SELECT 1 FROM wanted_texts AS w
        WHERE w.collection_id = %(collection_id)s
    )
    OR (
        EXISTS (
            SELECT 1 FROM heads AS h
            WHERE h.collection_id = %(collection_id)s
        )
        AND EXISTS (
            SELECT 1 FROM spaces AS s
            WHERE
                NOT EXISTS (
                    SELECT 1 FROM space_fills AS f
                    WHERE f.collection_id = %(collection_id)s AND f.space_id = s.space_id
                )
        )
    ) AS leftovers
