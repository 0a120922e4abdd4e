-- Purpose: keep a profile; nothing where the parse was erased meanwhile.
-- Parameters: elements_id, recipe_id, profile (JSON), entities, entities_dropped, dropped (JSON), parts, model.
-- Index: profiles (elements_id, recipe_id).
INSERT INTO profiles (elements_id, recipe_id, profile, entities, entities_dropped, dropped, parts, model)
SELECT
    e.elements_id,
    %(recipe_id)s,
    %(profile)s::jsonb,
    %(entities)s,
    %(entities_dropped)s,
    %(dropped)s::jsonb,
    %(parts)s,
    %(model)s
FROM elements AS e
WHERE e.elements_id = %(elements_id)s
FOR KEY SHARE
ON CONFLICT DO NOTHING
