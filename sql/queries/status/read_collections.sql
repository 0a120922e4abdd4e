-- Purpose: a line a collection, for people: what the source holds, what readers see, what is held back,
-- how the last refresh ended, and how many parses are of an older version.
-- Parameters: none. Index: the keys of documents, heads and quarantine.
SELECT
    c.name AS collection,
    (
        SELECT count(*) FROM documents AS d
        WHERE d.collection_id = c.collection_id AND d.vanished_at IS null)
        AS documents,
    (
        SELECT count(*) FROM heads AS h
        WHERE h.collection_id = c.collection_id
    ) AS published,
    (
        SELECT count(*)
        FROM heads AS h
        INNER JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id
        WHERE h.collection_id = c.collection_id
    ) AS chunks,
    (
        SELECT count(*) FROM targets AS t
        WHERE t.collection_id = c.collection_id AND t.quarantined
    ) AS quarantined,
    (
        SELECT count(*)
        FROM heads AS h
        INNER JOIN documents AS d ON h.document_id = d.document_id
        WHERE h.collection_id = c.collection_id AND d.vanished_at IS NOT null
    ) AS vanished,
    (
        SELECT count(*)
        FROM heads AS h
        INNER JOIN chunk_sets AS s ON h.chunk_set_id = s.chunk_set_id
        INNER JOIN elements AS e ON s.elements_id = e.elements_id
        WHERE
            h.collection_id = c.collection_id
            AND (e.recipe_id <> c.parse_recipe_id OR s.recipe_id <> c.chunk_recipe_id)
    ) AS older_recipe,
    latest.started_at AS last_refresh,
    latest.outcome,
    latest.run_id,
    shown.number AS publish,
    shown.published_at
FROM collections AS c
LEFT JOIN LATERAL (
    SELECT
        r.started_at,
        r.run_id,
        coalesce(r.outcome, 'running, or ended without a word') AS outcome
    FROM refreshes AS r
    WHERE r.collection_id = c.collection_id
    ORDER BY r.refresh_id DESC
    LIMIT 1
) AS latest ON true
LEFT JOIN LATERAL (
    SELECT
        p.number,
        p.published_at
    FROM publishes AS p
    WHERE p.collection_id = c.collection_id
    ORDER BY p.publish_id DESC
    LIMIT 1
) AS shown ON true
ORDER BY c.name
