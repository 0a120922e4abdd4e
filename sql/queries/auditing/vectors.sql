-- Purpose: a row a candidate's text that has no recorded pass in the space under these rules.
-- Parameters: collection_id, space_id, suite_id; identifier: audited_vectors. Index: vector_passes_pkey.
SELECT
    a.text_id,
    a.missing,
    a.dimensions,
    a.norm
FROM {audited_vectors} AS a
WHERE
    a.collection_id = %(collection_id)s
    AND NOT EXISTS (
        SELECT 1 FROM vector_passes AS p
        WHERE p.text_id = a.text_id AND p.space_id = %(space_id)s AND p.suite_id = %(suite_id)s
    )
