-- Purpose: a row a candidate chunk set that has no recorded pass under these rules.
-- Parameters: collection_id, suite_id. Index: chunk_set_passes_pkey.
SELECT
    a.document_id,
    a.chunk_set_id,
    a.chunks,
    a.ordinal_gaps,
    a.empty_chunks,
    a.longest_tokens,
    a.characters_left_out,
    a.misplaced_spans
FROM audited_chunk_sets AS a
WHERE
    a.collection_id = %(collection_id)s
    AND NOT EXISTS (
        SELECT 1 FROM chunk_set_passes AS p
        WHERE p.chunk_set_id = a.chunk_set_id AND p.suite_id = %(suite_id)s
    )
