-- Purpose: keep vectors of golden questions; the first answer stays.
-- Parameters: space_id, digests, vectors. Index: golden_vectors_pkey.
INSERT INTO golden_vectors (space_id, question_hash, embedding)
SELECT
    %(space_id)s,
    decode(n.digest, 'hex'),
    n.embedding::vector
FROM unnest(%(digests)s::text[], %(vectors)s::text[]) AS n (digest, embedding)
ON CONFLICT (space_id, question_hash) DO NOTHING
