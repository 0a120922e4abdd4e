-- Purpose: which profile a document shows, and which documents wait for one. As for parses and chunk sets, a result of
-- an older version counts until somebody asks for a rebuild; one of other declared settings does not.
-- Index: profiles (elements_id, recipe_id), profile_passes_pkey.

-- The profile of a parse in a collection, audited or not; at most one row.
CREATE OR REPLACE FUNCTION profile_of(parse bigint, owning integer)
RETURNS TABLE (profile_id bigint, profile jsonb, passed boolean)
LANGUAGE sql STABLE
AS $$
SELECT
    p.profile_id,
    p.profile,
    EXISTS (
        SELECT 1 FROM profile_passes AS a
        WHERE a.profile_id = p.profile_id AND a.suite_id = c.profile_suite_id
    )
FROM collections AS c
INNER JOIN recipes AS wanted ON c.profile_recipe_id = wanted.recipe_id
INNER JOIN recipes AS r ON r.stage = wanted.stage AND r.declared = wanted.declared
INNER JOIN profiles AS p ON p.recipe_id = r.recipe_id AND p.elements_id = parse
WHERE
    c.collection_id = owning
    AND (p.recipe_id = c.profile_recipe_id OR p.created_at >= c.rebuild_after)
ORDER BY p.profile_id DESC
LIMIT 1
$$;

-- What a recipe asks to be said, whichever model says it and however much fits into it.
CREATE OR REPLACE FUNCTION profile_block(details jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
SELECT (details -> 'declared') - ARRAY['model', 'context_tokens', 'max_output_tokens', 'bytes_per_token']
$$;

-- The newest profile of a parse that passed and says what the collection asks for now, by whichever model, and before
-- whichever rebuild; at most one row.
CREATE OR REPLACE FUNCTION earlier_profile(parse bigint, owning integer)
RETURNS TABLE (profile_id bigint, profile jsonb)
LANGUAGE sql STABLE
AS $$
SELECT
    p.profile_id,
    p.profile
FROM collections AS c
INNER JOIN recipes AS wanted ON c.profile_recipe_id = wanted.recipe_id
INNER JOIN profiles AS p ON p.elements_id = parse
INNER JOIN recipes AS r
    ON p.recipe_id = r.recipe_id AND r.stage = wanted.stage AND profile_block(r.details) = profile_block(wanted.details)
INNER JOIN profile_passes AS a ON p.profile_id = a.profile_id AND a.suite_id = c.profile_suite_id
WHERE c.collection_id = owning
ORDER BY p.profile_id DESC
LIMIT 1
$$;

-- What a head shows of a parse: its profile, once that has passed its audits; until then what another model said of it.
CREATE OR REPLACE FUNCTION shown_profile(parse bigint, owning integer) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
SELECT
    coalesce(
        (SELECT p.profile FROM profile_of(parse, owning) AS p WHERE p.passed),
        (SELECT e.profile FROM earlier_profile(parse, owning) AS e)
    )
$$;

-- Profiles under a recipe that no collection asks for, and that no head shows for want of a newer one.
CREATE OR REPLACE VIEW stale_profiles AS
SELECT p.profile_id
FROM profiles AS p
WHERE
    NOT EXISTS (
        SELECT 1
        FROM collections AS c
        INNER JOIN recipes AS wanted ON c.profile_recipe_id = wanted.recipe_id
        INNER JOIN recipes AS r ON wanted.stage = r.stage AND wanted.declared = r.declared
        WHERE r.recipe_id = p.recipe_id
    )
    AND NOT EXISTS (
        SELECT 1
        FROM chunk_sets AS s
        INNER JOIN heads AS h ON s.chunk_set_id = h.chunk_set_id
        CROSS JOIN LATERAL earlier_profile(s.elements_id, h.collection_id) AS e
        WHERE
            s.elements_id = p.elements_id
            AND e.profile_id = p.profile_id
            AND NOT EXISTS (
                SELECT 1 FROM profile_of(s.elements_id, h.collection_id) AS o
                WHERE o.passed
            )
    );

-- A row a parse that readers see and that has no profile yet, with why if it was tried.
DROP VIEW IF EXISTS unprofiled;
CREATE VIEW unprofiled AS
SELECT
    shown.collection_id,
    shown.elements_id,
    c.profile_recipe_id AS recipe_id,
    f.reason
FROM (
    SELECT DISTINCT
        h.collection_id,
        s.elements_id
    FROM heads AS h
    INNER JOIN chunk_sets AS s ON h.chunk_set_id = s.chunk_set_id
) AS shown
INNER JOIN collections AS c ON shown.collection_id = c.collection_id AND c.profile_recipe_id IS NOT null
LEFT JOIN profile_failures AS f ON shown.elements_id = f.elements_id AND c.profile_recipe_id = f.recipe_id
WHERE NOT EXISTS (SELECT 1 FROM profile_of(shown.elements_id, shown.collection_id));

-- A row a profile that a collection shows, or would: what the audits look at.
DROP VIEW IF EXISTS audited_profiles;
CREATE VIEW audited_profiles AS
SELECT DISTINCT
    h.collection_id,
    p.profile_id,
    (
        jsonb_typeof(p.profile) <> 'object'
        OR coalesce(jsonb_typeof(p.profile -> 'kind'), 'null') <> 'string'
        OR coalesce(jsonb_typeof(p.profile -> 'title'), 'null') NOT IN ('string', 'null')
        OR coalesce(jsonb_typeof(p.profile -> 'summary'), 'null') NOT IN ('string', 'null')
        OR coalesce(jsonb_typeof(p.profile -> 'keywords'), 'array') <> 'array'
        OR coalesce(jsonb_typeof(p.profile -> 'entities'), 'array') <> 'array'
    )::integer AS unfit,
    coalesce(p.entities_dropped::float8 / nullif(p.entities, 0), 0) AS invented_share,
    (p.entities >= 4 AND p.entities_dropped * 2 > p.entities)::integer AS mostly_invented,
    coalesce((p.dropped ->> 'language')::integer, 0) AS in_another_language
FROM heads AS h
INNER JOIN chunk_sets AS s ON h.chunk_set_id = s.chunk_set_id
CROSS JOIN LATERAL profile_of(s.elements_id, h.collection_id) AS found
INNER JOIN profiles AS p ON found.profile_id = p.profile_id;

GRANT SELECT ON unprofiled, audited_profiles, stale_profiles TO {pipeline};
