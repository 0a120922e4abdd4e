-- Purpose: one row a collection that still has documents to describe, has just described some, or has too many that
-- could not be described, which each run tells anew: how many wait, and which share could not be described.
-- Parameters: collection_id, suite_id. Index: see the view unprofiled.
SELECT
    w.waiting,
    w.failed::float8 / nullif(h.documents, 0) AS failed_share
FROM (
    SELECT
        count(*) FILTER (WHERE u.reason IS null) AS waiting,
        count(*) FILTER (WHERE u.reason IS NOT null) AS failed
    FROM unprofiled AS u
    WHERE u.collection_id = %(collection_id)s
) AS w
CROSS JOIN (
    SELECT count(*) AS documents
    FROM heads
    WHERE collection_id = %(collection_id)s
) AS h
WHERE
    w.waiting > 0
    OR w.failed > 0.2 * h.documents
    OR EXISTS (
        SELECT 1 FROM audited_profiles AS a
        WHERE
            a.collection_id = %(collection_id)s
            AND NOT EXISTS (
                SELECT 1 FROM profile_passes AS p
                WHERE p.profile_id = a.profile_id AND p.suite_id = %(suite_id)s
            )
    )
