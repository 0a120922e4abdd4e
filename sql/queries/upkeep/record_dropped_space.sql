-- Purpose: write down that a space was dropped.
-- Parameters: name, model, dimensions, run_id, by, removed.
INSERT INTO dropped_spaces (name, model, dimensions, run_id, dropped_by, removed)
VALUES (%(name)s, %(model)s, %(dimensions)s, %(run_id)s, %(by)s, %(removed)s::jsonb)
