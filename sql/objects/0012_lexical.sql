-- Purpose: stand-in.
CREATE OR REPLACE FUNCTION lexer_version() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 1 $$;
CREATE OR REPLACE FUNCTION lexemes(written text) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
SELECT to_tsvector('simple', written) $$;
CREATE OR REPLACE FUNCTION lexeme_count(lexemes tsvector) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
SELECT coalesce(sum(cardinality(u.positions)), 0)::integer FROM unnest(lexemes) AS u $$;
CREATE OR REPLACE FUNCTION question_terms(words text) RETURNS TABLE (term text, prefix boolean) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT u.lexeme, false FROM unnest(lexemes(words)) AS u $$;
