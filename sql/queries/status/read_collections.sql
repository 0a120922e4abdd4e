-- Purpose: a line a collection, for people: what the source holds, and where each document of it is: up to date, held
-- back, or waiting for a stage; what readers see, how the last refresh ended, and how much is of an older version.
-- documents = up_to_date + waiting + quarantined. Each big table is read once, for all collections together.
-- Parameters: none. Index: elements (content_hash, format, recipe_id), chunk_sets (elements_id, recipe_id).
WITH present AS (
    SELECT
        t.collection_id,
        count(*) AS documents,
        count(*) FILTER (WHERE t.quarantined) AS quarantined,
        count(*) FILTER (WHERE NOT t.quarantined AND t.chunk_set_id = h.chunk_set_id) AS up_to_date,
        count(*) FILTER (WHERE NOT t.quarantined AND t.elements_id IS null) AS unparsed,
        count(*) FILTER (WHERE NOT t.quarantined AND t.elements_id IS NOT null AND t.chunk_set_id IS null) AS uncut,
        count(*) FILTER (
            WHERE NOT t.quarantined AND t.chunk_set_id IS NOT null AND t.chunk_set_id IS DISTINCT FROM h.chunk_set_id
        ) AS prepared
    FROM targets AS t
    LEFT JOIN heads AS h ON t.document_id = h.document_id
    GROUP BY t.collection_id
),

shown AS (
    SELECT
        h.collection_id,
        count(*) AS published,
        count(*) FILTER (WHERE d.vanished_at IS NOT null) AS vanished,
        count(*) FILTER (
            WHERE s.recipe_id <> c.chunk_recipe_id OR e.recipe_id <> c.parse_recipe_id
        ) AS older_recipe
    FROM heads AS h
    INNER JOIN documents AS d ON h.document_id = d.document_id
    INNER JOIN collections AS c ON h.collection_id = c.collection_id
    INNER JOIN chunk_sets AS s ON h.chunk_set_id = s.chunk_set_id
    INNER JOIN elements AS e ON s.elements_id = e.elements_id
    GROUP BY h.collection_id
),

passages AS (
    SELECT
        h.collection_id,
        count(*) AS chunks
    FROM heads AS h
    INNER JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id
    GROUP BY h.collection_id
)

SELECT
    c.name AS collection,
    coalesce(p.documents, 0) AS documents,
    coalesce(p.up_to_date, 0) AS up_to_date,
    coalesce(p.unparsed + p.uncut + p.prepared, 0) AS waiting,
    coalesce(p.quarantined, 0) AS quarantined,
    coalesce(p.unparsed, 0) AS unparsed,
    coalesce(p.uncut, 0) AS uncut,
    coalesce(p.prepared, 0) AS prepared,
    (
        SELECT count(*) FROM postponed AS o
        WHERE o.collection_id = c.collection_id
    ) AS postponed,
    (
        SELECT count(*) FROM wanted_texts AS w
        WHERE w.collection_id = c.collection_id
    ) AS wanted_texts,
    coalesce(s.published, 0) AS published,
    coalesce(k.chunks, 0) AS chunks,
    coalesce(s.vanished, 0) AS vanished,
    coalesce(s.older_recipe, 0) AS older_recipe,
    c.pinned_to,
    c.pinned_by,
    latest.started_at AS last_refresh,
    latest.ended_at IS null AND latest.started_at IS NOT null AS refreshing,
    latest.outcome,
    latest.run_id,
    newest.number AS publish,
    newest.published_at
FROM collections AS c
LEFT JOIN present AS p ON c.collection_id = p.collection_id
LEFT JOIN shown AS s ON c.collection_id = s.collection_id
LEFT JOIN passages AS k ON c.collection_id = k.collection_id
LEFT JOIN LATERAL (
    SELECT
        r.started_at,
        r.ended_at,
        r.run_id,
        coalesce(r.outcome, 'running, or ended without a word') AS outcome
    FROM refreshes AS r
    WHERE r.collection_id = c.collection_id
    ORDER BY r.refresh_id DESC
    LIMIT 1
) AS latest ON true
LEFT JOIN LATERAL (
    SELECT
        b.number,
        b.published_at
    FROM publishes AS b
    WHERE b.collection_id = c.collection_id
    ORDER BY b.publish_id DESC
    LIMIT 1
) AS newest ON true
ORDER BY c.name
