-- Purpose: write down that a collection was dropped.
-- Parameters: collection, run_id, by, removed.
INSERT INTO drops (collection, run_id, dropped_by, removed)
VALUES (%(collection)s, %(run_id)s, %(by)s, %(removed)s::jsonb)
