-- Purpose: take back vectors that did not meet the rules and that nobody sees, so that they are made again.
-- Parameters: collection_id, space_id; identifier: vectors. Index: the vectors' primary key.
DELETE FROM {vectors} AS v
USING candidate_texts(%(space_id)s) AS c
WHERE
    v.text_id = c.text_id
    AND c.collection_id = %(collection_id)s
    AND NOT EXISTS (
        SELECT 1 FROM vector_passes AS p
        WHERE p.text_id = v.text_id AND p.space_id = %(space_id)s
    )
