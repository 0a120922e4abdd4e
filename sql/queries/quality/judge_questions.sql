-- Purpose: ask golden questions of one leg, and measure each over the answers whose documents readers see; measures
-- are null where they see none.
-- Parameters: space, collection, leg, k, questions. Index: see judged_questions.
SELECT
    encode(j.question_key, 'hex') AS question_key,
    j.label,
    c.ranks,
    m.recall,
    m.ndcg,
    m.reciprocal_rank AS mrr
FROM judged_questions(%(space)s, %(collection)s, %(leg)s, %(k)s, %(questions)s::jsonb) AS j
INNER JOIN LATERAL (
    SELECT coalesce(array_agg(u.rank ORDER BY u.nth) FILTER (WHERE u.present), '{{}}') AS ranks
    FROM unnest(j.ranks, j.present) WITH ORDINALITY AS u (rank, present, nth)
) AS c ON true
LEFT JOIN LATERAL golden_measures(c.ranks, %(k)s) AS m ON cardinality(c.ranks) > 0
ORDER BY j.label
