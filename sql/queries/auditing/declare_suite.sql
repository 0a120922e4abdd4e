-- Purpose: give a suite's rules their number; writes only the first time.
-- Parameters: stage, digest, details. Index: suites (stage, digest).
WITH made AS (
    INSERT INTO suites (stage, digest, details)
    SELECT
        %(stage)s,
        %(digest)s,
        %(details)s::jsonb
    WHERE
        NOT EXISTS (
            SELECT 1 FROM suites AS s
            WHERE s.stage = %(stage)s AND s.digest = %(digest)s
        )
    ON CONFLICT (stage, digest) DO UPDATE SET details = suites.details
    RETURNING suite_id
)

SELECT suite_id FROM made
UNION ALL
SELECT s.suite_id
FROM suites AS s
WHERE s.stage = %(stage)s AND s.digest = %(digest)s
LIMIT 1
