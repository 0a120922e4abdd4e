-- Purpose: store texts that are new, each once; ordered, so that two refreshes cannot deadlock.
-- Parameters: arrays of equal length. Index: texts (hash).
INSERT INTO texts (hash, text, tokens)
SELECT DISTINCT ON (f.hash)
    f.hash,
    f.text,
    f.tokens
FROM unnest(%(digests)s::bytea[], %(texts)s::text[], %(tokens)s::integer[]) AS f (hash, text, tokens)
WHERE
    NOT EXISTS (
        SELECT 1 FROM texts AS t
        WHERE t.hash = f.hash
    )
ORDER BY f.hash
ON CONFLICT (hash) DO NOTHING
