-- Purpose: what nothing reaches, of one kind, in the order in which it has to go.
-- Parameters: kind. Index: none; one pass over the tables that reach it.
SELECT
    g.id,
    g.publish_id
FROM garbage(null, null) AS g
WHERE g.kind = %(kind)s
ORDER BY g.place, g.id, g.publish_id
