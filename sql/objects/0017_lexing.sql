-- Purpose: texts that were stored before there were terms, or under an earlier version of the function that makes them,
-- are brought up to date, and what was counted from them is counted anew. Where all are, this reads one index and ends.

DO $$
BEGIN
    UPDATE texts AS t SET lexemes = made.lexemes, terms = lexeme_count(made.lexemes), lexer = lexer_version()
    FROM texts AS old
    CROSS JOIN LATERAL (SELECT lexemes(old.text) AS lexemes) AS made
    WHERE t.text_id = old.text_id AND old.lexer <> lexer_version();
    IF FOUND THEN
        PERFORM recount_terms(c.collection_id) FROM collections AS c;
    END IF;
END
$$;
