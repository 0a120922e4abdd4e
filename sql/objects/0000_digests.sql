-- Purpose: digests by which an alteration is noticed. The same function writes them and compares them.

-- Of a vector as Postgres sends it: sixteen bytes are plenty to notice a change.
CREATE OR REPLACE FUNCTION vector_digest(embedding vector) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT substr(sha256(vector_send(embedding)), 1, 16) $$;

CREATE OR REPLACE FUNCTION vector_digest(embedding halfvec) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT substr(sha256(halfvec_send(embedding)), 1, 16) $$;

-- Of all chunks of a chunk set, with the digests of their texts; null where it has none.
CREATE OR REPLACE FUNCTION chunk_set_digest(wanted bigint) RETURNS bytea
LANGUAGE sql STABLE STRICT PARALLEL SAFE
AS $$
SELECT sha256(convert_to(string_agg(
    jsonb_build_array(
        k.ordinal, encode(t.hash, 'hex'), k.body_start, k.span, k.pages, k.heading_path, k.lead, k.html, k.flags
    )::text, E'\n' ORDER BY k.ordinal
), 'UTF8'))
FROM chunks AS k
INNER JOIN texts AS t ON k.text_id = t.text_id
WHERE k.chunk_set_id = wanted
$$;
