-- Purpose: put texts that are gone back under their numbers, so that their vectors are theirs again. The chunk has to
-- be at the very place where it was cut, since its number alone says which text it had.
-- Parameters: chunk_set_id, and ordinals, digests, texts, tokens, body_starts, starts, ends of equal length.
-- Index: chunks_pkey, texts_pkey, texts (hash).
INSERT INTO texts (text_id, hash, text, tokens, lexemes, terms, lexer)
OVERRIDING SYSTEM VALUE
SELECT DISTINCT ON (f.hash)
    k.text_id,
    f.hash,
    f.text,
    f.tokens,
    l.lexemes,
    lexeme_count(l.lexemes) AS terms,
    lexer_version() AS lexer
FROM
    unnest(
        %(ordinals)s::integer[], %(digests)s::bytea[], %(texts)s::text[], %(tokens)s::integer[],
        %(body_starts)s::integer[], %(starts)s::integer[], %(ends)s::integer[]
    ) AS f (ordinal, hash, text, tokens, body_start, first_character, after_last)
INNER JOIN chunks AS k ON f.ordinal = k.ordinal AND k.chunk_set_id = %(chunk_set_id)s
CROSS JOIN LATERAL (SELECT lexemes(f.text) AS lexemes) AS l
WHERE
    k.span = int4range(f.first_character, f.after_last)
    AND k.body_start = f.body_start
    AND NOT EXISTS (
        SELECT 1 FROM texts AS known
        WHERE known.text_id = k.text_id OR known.hash = f.hash
    )
ORDER BY f.hash, k.text_id
ON CONFLICT DO NOTHING
