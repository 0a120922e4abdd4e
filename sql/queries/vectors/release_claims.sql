-- Purpose: let go of texts that are settled now; in the order in which they are claimed, so that nobody deadlocks.
-- Parameters: space_id, text_ids. Index: claims_pkey.
DELETE FROM claims AS c
USING (
    SELECT
        held.space_id,
        held.text_id
    FROM claims AS held
    WHERE held.space_id = %(space_id)s AND held.text_id = any(%(text_ids)s::bigint[])
    ORDER BY held.text_id
    FOR UPDATE
) AS mine
WHERE c.space_id = mine.space_id AND c.text_id = mine.text_id
