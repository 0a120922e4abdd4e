-- Purpose: forget how the questions of a collection fared with earlier publishes, and with earlier wordings.
-- Parameters: collection_id, publish_id, space_id, questions. Index: golden_figures_pkey.
DELETE FROM golden_figures AS f
USING publishes AS p
WHERE
    f.publish_id = p.publish_id
    AND p.collection_id = %(collection_id)s
    AND f.space_id = %(space_id)s
    AND (
        f.publish_id <> %(publish_id)s
        OR f.question_key NOT IN (
            SELECT decode(q.key, 'hex')
            FROM jsonb_to_recordset(%(questions)s::jsonb) AS q (key text)
        )
    )
