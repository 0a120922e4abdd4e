-- Purpose: the last comparison of what the database holds that each collection was part of. A line without a collection
-- is of all of them.
-- Parameters: none. Index: verifications_pkey, from its end.
SELECT
    c.name AS collection,
    last.run_id,
    last.repaired,
    last.findings,
    last.ended_at
FROM collections AS c
CROSS JOIN
    LATERAL (
        SELECT
            v.run_id,
            v.repaired,
            v.findings,
            v.ended_at
        FROM verifications AS v
        WHERE v.collection IS null OR v.collection = c.name
        ORDER BY v.verification_id DESC
        LIMIT 1
    ) AS last
ORDER BY c.name
