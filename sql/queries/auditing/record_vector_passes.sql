-- Purpose: record that the vectors of the candidates met the rules, once a space.
-- Parameters: collection_id, space_id, suite_id; identifier: vectors. Index: vector_passes_pkey.
INSERT INTO vector_passes (text_id, space_id, suite_id)
SELECT
    c.text_id,
    %(space_id)s,
    %(suite_id)s
FROM candidate_texts(%(space_id)s) AS c
INNER JOIN {vectors} AS v ON c.text_id = v.text_id
WHERE c.collection_id = %(collection_id)s
ORDER BY c.text_id
ON CONFLICT DO NOTHING
