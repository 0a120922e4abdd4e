-- Purpose: which of some golden questions have a vector in a space.
-- Parameters: space_id, digests. Index: golden_vectors_pkey.
SELECT encode(v.question_hash, 'hex') AS hash
FROM golden_vectors AS v
INNER JOIN unnest(%(digests)s::text[]) AS h (digest) ON v.question_hash = decode(h.digest, 'hex')
WHERE v.space_id = %(space_id)s
