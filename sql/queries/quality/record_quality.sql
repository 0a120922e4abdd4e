-- Purpose: keep the means of one leg with a publish.
-- Parameters: publish_id, space, leg, digest, run_id, k, questions, left_out, recall, mrr, ndcg.
-- Index: retrieval_quality_pkey.
INSERT INTO retrieval_quality (
    publish_id, space, leg, digest, run_id, k, questions, left_out, recall, mrr, ndcg
)
VALUES (
    %(publish_id)s, %(space)s, %(leg)s, %(digest)s, %(run_id)s, %(k)s, %(questions)s, %(left_out)s, %(recall)s,
    %(mrr)s, %(ndcg)s
)
ON CONFLICT (publish_id, space, leg) DO UPDATE SET
    digest = excluded.digest,
    run_id = excluded.run_id,
    k = excluded.k,
    questions = excluded.questions,
    left_out = excluded.left_out,
    recall = excluded.recall,
    mrr = excluded.mrr,
    ndcg = excluded.ndcg,
    measured_at = clock_timestamp()
