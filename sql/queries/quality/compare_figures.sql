-- Purpose: how each golden question fared with one publish and fares with the next, over the answers whose documents
-- readers saw then and see now; how many of its answers are gone. Before is null where nothing can be compared.
-- Parameters: before_id, after_id, space_id, k, questions. Index: golden_figures_pkey.
SELECT
    f.label,
    c.kept,
    c.gone,
    b.recall AS recall_before,
    b.ndcg AS ndcg_before,
    b.reciprocal_rank AS reciprocal_rank_before,
    a.recall AS recall_after,
    a.ndcg AS ndcg_after,
    a.reciprocal_rank AS reciprocal_rank_after
FROM jsonb_to_recordset(%(questions)s::jsonb) AS q (key text)
INNER JOIN golden_figures AS f
    ON f.publish_id = %(after_id)s AND f.space_id = %(space_id)s AND f.question_key = decode(q.key, 'hex')
LEFT JOIN golden_figures AS o
    ON o.publish_id = %(before_id)s AND f.space_id = o.space_id AND f.question_key = o.question_key
INNER JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE u.present_after AND u.present_before) AS kept,
        count(*) FILTER (WHERE u.present_before AND NOT u.present_after) AS gone,
        array_agg(u.rank_before ORDER BY u.nth) FILTER (WHERE u.present_after AND u.present_before) AS ranks_before,
        array_agg(u.rank_after ORDER BY u.nth) FILTER (WHERE u.present_after AND u.present_before) AS ranks_after
    FROM unnest(o.ranks, o.present, f.ranks, f.present) WITH ORDINALITY
        AS u (rank_before, present_before, rank_after, present_after, nth)
) AS c ON true
LEFT JOIN LATERAL golden_measures(c.ranks_before, %(k)s) AS b ON c.kept > 0
LEFT JOIN LATERAL golden_measures(c.ranks_after, %(k)s) AS a ON c.kept > 0
ORDER BY f.label
