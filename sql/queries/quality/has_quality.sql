-- Purpose: whether these very questions were measured with what readers see now.
-- Parameters: publish_id, space, digest. Index: retrieval_quality_pkey.
SELECT count(*) = 3 AS measured
FROM retrieval_quality AS q
WHERE q.publish_id = %(publish_id)s AND q.space = %(space)s AND q.digest = %(digest)s
