-- Purpose: let go of texts that another refresh has settled since they were read: they have a vector, or were refused.
-- In a statement of its own after the claim, so that it sees what was committed while the claim waited.
-- Parameters: space_id, text_ids; identifier: vectors. Index: claims_pkey, the vectors' primary key.
DELETE FROM claims AS held
WHERE
    held.space_id = %(space_id)s
    AND held.text_id = any(%(text_ids)s::bigint[])
    AND (
        EXISTS (
            SELECT 1 FROM {vectors} AS v
            WHERE v.text_id = held.text_id
        )
        OR EXISTS (
            SELECT 1 FROM text_failures AS f
            WHERE f.text_id = held.text_id AND f.space_id = held.space_id
        )
    )
RETURNING held.text_id
