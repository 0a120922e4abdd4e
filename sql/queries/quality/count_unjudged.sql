-- Purpose: how many golden questions that have a vector have no figures with a publish.
-- Parameters: publish_id, space_id, questions. Index: golden_vectors_pkey, golden_figures_pkey.
SELECT count(*) AS questions
FROM jsonb_to_recordset(%(questions)s::jsonb) AS q (key text, hash text)
INNER JOIN golden_vectors AS v ON v.space_id = %(space_id)s AND v.question_hash = decode(q.hash, 'hex')
WHERE
    NOT EXISTS (
        SELECT 1 FROM golden_figures AS f
        WHERE
            f.publish_id = %(publish_id)s
            AND f.space_id = %(space_id)s
            AND f.question_key = decode(q.key, 'hex')
    )
