-- Purpose: let go of a parse that was claimed.
-- Parameters: elements_id, recipe_id.
SELECT pg_advisory_unlock(
    hashtextextended(format('suimon profile %%s %%s', %(elements_id)s::bigint, %(recipe_id)s::integer), 0)
) AS released
