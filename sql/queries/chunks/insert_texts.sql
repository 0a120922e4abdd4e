-- Purpose: store texts that are new, each once; ordered, so that two refreshes cannot deadlock.
-- Parameters: arrays of equal length. Index: texts (hash).
INSERT INTO texts (hash, text, tokens, lexemes, terms, lexer)
SELECT
    n.hash,
    n.text,
    n.tokens,
    n.lexemes,
    lexeme_count(n.lexemes),
    lexer_version()
FROM (
    SELECT
        f.hash,
        f.text,
        f.tokens,
        lexemes(f.text) AS lexemes
    FROM (
        SELECT DISTINCT ON (g.hash)
            g.hash,
            g.text,
            g.tokens
        FROM unnest(%(digests)s::bytea[], %(texts)s::text[], %(tokens)s::integer[]) AS g (hash, text, tokens)
    ) AS f
    WHERE
        NOT EXISTS (
            SELECT 1 FROM texts AS t
            WHERE t.hash = f.hash
        )
    ORDER BY f.hash
    OFFSET 0
) AS n
ORDER BY n.hash
ON CONFLICT (hash) DO NOTHING
