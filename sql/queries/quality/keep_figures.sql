-- Purpose: judge golden questions by the default search on what is visible to this transaction, and keep how each fares
-- with a publish.
-- Parameters: publish_id, space_id, space, collection, k, questions. Index: see judged_questions.
INSERT INTO golden_figures (publish_id, space_id, question_key, label, ranks, present, recall, ndcg, reciprocal_rank)
SELECT
    %(publish_id)s,
    %(space_id)s,
    j.question_key,
    j.label,
    j.ranks,
    j.present,
    m.recall,
    m.ndcg,
    m.reciprocal_rank
FROM judged_questions(%(space)s, %(collection)s, 'hybrid', %(k)s, %(questions)s::jsonb) AS j
CROSS JOIN LATERAL golden_measures(j.ranks, %(k)s) AS m
ON CONFLICT (publish_id, space_id, question_key) DO NOTHING
