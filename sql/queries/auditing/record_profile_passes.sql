-- Purpose: record which profiles met the rules, and put those that did not among the failures: they are not shown, and
-- not asked for again by themselves.
-- Parameters: collection_id, suite_id. Index: profile_passes_pkey, profile_failures_pkey.
WITH audited AS MATERIALIZED (
    SELECT
        a.profile_id,
        a.unfit + a.mostly_invented AS faults
    FROM audited_profiles AS a
    WHERE a.collection_id = %(collection_id)s
),

passed AS (
    INSERT INTO profile_passes (profile_id, suite_id)
    SELECT
        a.profile_id,
        %(suite_id)s
    FROM audited AS a
    WHERE a.faults = 0
    ON CONFLICT DO NOTHING
),

gone AS (
    DELETE FROM profiles AS p
    USING audited AS a
    WHERE p.profile_id = a.profile_id AND a.faults > 0
    RETURNING p.elements_id, p.recipe_id
)

INSERT INTO profile_failures AS f (elements_id, recipe_id, reason, detail)
SELECT
    g.elements_id,
    g.recipe_id,
    'audit',
    ''
FROM gone AS g
ON CONFLICT (elements_id, recipe_id) DO UPDATE SET
    reason = excluded.reason,
    attempts = f.attempts + 1,
    last_seen = now()
