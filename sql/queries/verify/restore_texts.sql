-- Purpose: give texts back what their hashes say: the hash decides, so that no vector comes to stand for another text.
-- Parameters: digests and texts of equal length. Index: texts (hash).
UPDATE texts AS t
SET text = f.text
FROM unnest(%(digests)s::bytea[], %(texts)s::text[]) AS f (hash, text)
WHERE t.hash = f.hash AND t.text IS DISTINCT FROM f.text
