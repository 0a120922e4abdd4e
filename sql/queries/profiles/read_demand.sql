-- Purpose: whether a published collection wants its profiles made: its last publish and the hours since, whether what
-- is declared is in force, and how many parses wait. No row where nothing is published.
-- Parameters: name, stage, declared. Index: collections (name), publishes (collection_id, number), see unprofiled.
SELECT
    p.number AS publish,
    floor(extract(EPOCH FROM now() - p.published_at) / 3600)::integer AS hours,
    coalesce(r.stage = %(stage)s AND r.declared = %(declared)s, false) AS in_force,
    (
        SELECT count(*) FROM unprofiled AS w
        WHERE w.collection_id = c.collection_id AND w.reason IS null
    ) AS waiting
FROM collections AS c
INNER JOIN LATERAL (
    SELECT
        n.number,
        n.published_at
    FROM publishes AS n
    WHERE n.collection_id = c.collection_id
    ORDER BY n.number DESC
    LIMIT 1
) AS p ON true
LEFT JOIN recipes AS r ON c.profile_recipe_id = r.recipe_id
WHERE c.name = %(name)s
