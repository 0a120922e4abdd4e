-- Purpose: the last time that a space of some name was dropped.
-- Parameters: name. Index: none; a few rows.
SELECT
    d.name,
    d.model,
    d.dropped_by,
    d.dropped_at
FROM dropped_spaces AS d
WHERE d.name = %(name)s
ORDER BY d.drop_id DESC
LIMIT 1
