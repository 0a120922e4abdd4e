-- Purpose: remove profiles, answers and failures under recipes that no collection asks for any more, without profiles
-- that are shown until newer ones are there; how many profiles.
-- Parameters: none. Index: profiles (elements_id, recipe_id).
WITH in_force AS (
    SELECT DISTINCT r.recipe_id
    FROM collections AS c
    INNER JOIN recipes AS wanted ON c.profile_recipe_id = wanted.recipe_id
    INNER JOIN recipes AS r ON wanted.stage = r.stage AND wanted.declared = r.declared
),

parts AS (
    DELETE FROM profile_parts
    WHERE recipe_id NOT IN (SELECT i.recipe_id FROM in_force AS i)
),

failures AS (
    DELETE FROM profile_failures
    WHERE recipe_id NOT IN (SELECT i.recipe_id FROM in_force AS i)
)

DELETE FROM profiles
WHERE profile_id IN (SELECT p.profile_id FROM stale_profiles AS p)
