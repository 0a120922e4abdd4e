-- Purpose: collections whose last word of the gate was that golden questions would fare worse.
-- Parameters: none. Index: gate_verdicts_pkey, from its end.
SELECT
    c.name AS collection,
    v.findings ->> 'quality_fell' AS sentence
FROM collections AS c
INNER JOIN LATERAL (
    SELECT g.findings
    FROM gate_verdicts AS g
    WHERE g.collection_id = c.collection_id
    ORDER BY g.verdict_id DESC
    LIMIT 1
) AS v ON true
WHERE v.findings ? 'quality_fell'
ORDER BY c.name
