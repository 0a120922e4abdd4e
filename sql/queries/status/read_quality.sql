-- Purpose: the newest figures of golden questions, a line a collection, space and leg.
-- Parameters: none. Index: retrieval_quality_pkey; a few rows a publish.
SELECT DISTINCT ON (q.collection, q.space, q.leg)
    q.collection,
    q.space,
    q.leg,
    q.publish,
    q.k,
    q.recall,
    q.mrr,
    q.ndcg,
    q.questions,
    q.left_out,
    q.measured_at
FROM {search}.retrieval_quality AS q
ORDER BY q.collection ASC, q.space ASC, q.leg ASC, q.publish DESC
