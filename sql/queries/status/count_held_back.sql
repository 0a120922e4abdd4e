-- Purpose: how much is held back now, by collection, kind and reason: numbers for what a listing leaves out.
-- Parameters: none. Index: see the view held_back.
SELECT
    collection,
    kind,
    reason,
    count(*) AS rows,
    count(*) FILTER (WHERE published) AS published
FROM {search}.quarantine
GROUP BY collection, kind, reason
ORDER BY collection, kind, reason
