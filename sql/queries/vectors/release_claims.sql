-- Purpose: let go of texts that are settled now.
-- Parameters: space_id, text_ids. Index: claims_pkey.
DELETE FROM claims
WHERE space_id = %(space_id)s AND text_id = any(%(text_ids)s::bigint[])
