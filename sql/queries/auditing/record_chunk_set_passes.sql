-- Purpose: record that the candidates that are left after quarantine met the rules.
-- Parameters: collection_id, suite_id. Index: chunk_set_passes_pkey.
INSERT INTO chunk_set_passes (chunk_set_id, suite_id)
SELECT DISTINCT
    c.chunk_set_id,
    %(suite_id)s
FROM candidates AS c
WHERE c.collection_id = %(collection_id)s
ORDER BY c.chunk_set_id
ON CONFLICT DO NOTHING
