-- Purpose: be the only one who has a parse described under a recipe, until released or until the connection ends.
-- False where somebody else is, or where it is described by now.
-- Parameters: elements_id, recipe_id. Index: profiles (elements_id, recipe_id).
SELECT
    NOT EXISTS (
        SELECT 1 FROM profiles AS p
        WHERE p.elements_id = %(elements_id)s AND p.recipe_id = %(recipe_id)s
    )
    AND pg_try_advisory_lock(
        hashtextextended(format('suimon profile %%s %%s', %(elements_id)s::bigint, %(recipe_id)s::integer), 0)
    ) AS mine
