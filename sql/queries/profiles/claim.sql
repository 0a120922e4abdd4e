-- Purpose: be the only one who has a parse described under a recipe, until released or until the connection ends.
-- False where somebody else is.
-- Parameters: elements_id, recipe_id.
SELECT pg_try_advisory_lock(
    hashtextextended(format('suimon profile %%s %%s', %(elements_id)s::bigint, %(recipe_id)s::integer), 0)
) AS mine
