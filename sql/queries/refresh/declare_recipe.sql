-- Purpose: give a recipe its number; writes only the first time.
-- Parameters: stage, declared, versions, details. Index: recipes (stage, declared, versions).
WITH made AS (
    INSERT INTO recipes (stage, declared, versions, details)
    SELECT
        %(stage)s,
        %(declared)s,
        %(versions)s,
        %(details)s::jsonb
    WHERE
        NOT EXISTS (
            SELECT 1 FROM recipes AS r
            WHERE r.stage = %(stage)s AND r.declared = %(declared)s AND r.versions = %(versions)s
        )
    ON CONFLICT (stage, declared, versions) DO UPDATE SET details = recipes.details
    RETURNING recipe_id
)

SELECT recipe_id FROM made
UNION ALL
SELECT r.recipe_id
FROM recipes AS r
WHERE r.stage = %(stage)s AND r.declared = %(declared)s AND r.versions = %(versions)s
LIMIT 1
