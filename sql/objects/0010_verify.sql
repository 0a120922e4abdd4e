-- Purpose: what verify compares with what: the heads that the ledger tells, what is in use, and what is wrong with a
-- chunk set or a vector. The same definitions find damage and decide what is mended.

DROP VIEW IF EXISTS used_texts;
DROP VIEW IF EXISTS used_chunk_sets;
DROP VIEW IF EXISTS ledger_heads;

-- A row a document that is published according to the ledger: the newest change that a publish wrote down for it. Of a
-- rollback that has moved heads and is not written down yet, the ledger says by itself what it brought back.
-- Index: publish_changes (document_id, publish_id), publishes_not_written_down.
CREATE VIEW ledger_heads AS
SELECT
    d.document_id,
    d.collection_id,
    n.name AS collection,
    told.chunk_set_id,
    d.uri,
    told.link,
    told.title,
    told.metadata,
    coalesce(moving.publish_id, latest.publish_id) AS publish_id,
    a.audience_id
FROM documents AS d
INNER JOIN collections AS n ON d.collection_id = n.collection_id
LEFT JOIN publishes AS r ON d.collection_id = r.collection_id AND NOT r.written_down
LEFT JOIN publishes AS restored ON r.collection_id = restored.collection_id AND r.restores = restored.number
INNER JOIN LATERAL (
    SELECT
        c.chunk_set_id,
        c.link,
        c.title,
        c.metadata,
        c.publish_id
    FROM publish_changes AS c
    WHERE c.document_id = d.document_id
    ORDER BY c.publish_id DESC
    LIMIT 1
) AS latest ON true
INNER JOIN LATERAL (
    SELECT
        c.chunk_set_id,
        c.link,
        c.title,
        c.metadata
    FROM publish_changes AS c
    WHERE c.document_id = d.document_id AND c.publish_id <= coalesce(restored.publish_id, latest.publish_id)
    ORDER BY c.publish_id DESC
    LIMIT 1
) AS told ON true
LEFT JOIN publishes AS moving
    ON
        r.publish_id = moving.publish_id
        AND (latest.chunk_set_id, latest.link, latest.title, latest.metadata)
        IS DISTINCT FROM (told.chunk_set_id, told.link, told.title, told.metadata)
INNER JOIN LATERAL audience_of(d.collection_id, d.uri, told.metadata) AS a ON true
WHERE told.chunk_set_id IS NOT null;

-- A row a use of a chunk set: a document that shows it, or is about to.
CREATE VIEW used_chunk_sets AS
SELECT
    h.collection_id,
    h.collection,
    h.uri,
    h.chunk_set_id,
    true AS published
FROM heads AS h
UNION ALL
SELECT
    c.collection_id,
    n.name,
    d.uri,
    c.chunk_set_id,
    false
FROM candidates AS c
INNER JOIN documents AS d ON c.document_id = d.document_id
INNER JOIN collections AS n ON c.collection_id = n.collection_id;

-- A row a use of a text.
CREATE VIEW used_texts AS
SELECT
    u.collection_id,
    u.collection,
    u.uri,
    k.text_id,
    u.published
FROM used_chunk_sets AS u
INNER JOIN chunks AS k ON u.chunk_set_id = k.chunk_set_id;

GRANT SELECT ON ledger_heads, used_chunk_sets, used_texts TO {pipeline};

-- Whether a stored text is still the one that was hashed.
CREATE OR REPLACE FUNCTION is_sound(stored texts) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT sha256(convert_to(stored.text, 'UTF8')) = stored.hash $$;

-- What is wrong with a chunk set; null if nothing, or if the fault is that of a text, which is found by itself.
-- The digest tells that something is; only then the rows are looked at. A chunk too many does not move forward in the
-- document; a chunk too few leaves a gap in the ordinals, or some of the document's text uncovered.
-- Without a digest, from before there were any, the chunks have to hang together and show the document's text.
CREATE OR REPLACE FUNCTION chunk_set_fault(wanted bigint) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    owning chunk_sets;
    shape record;
BEGIN
    SELECT * INTO owning FROM chunk_sets AS s WHERE s.chunk_set_id = wanted;
    IF NOT found THEN
        RETURN 'chunks_missing';
    END IF;
    IF owning.digest = chunk_set_digest(wanted) THEN
        RETURN null;
    END IF;
    SELECT
        count(*) AS chunks,
        count(*) FILTER (WHERE k.text_is_sound IS NOT true) AS faulty_texts,
        coalesce(min(k.ordinal), 0) <> 0 OR coalesce(max(k.ordinal) + 1, 0) <> count(*) AS gap,
        coalesce(bool_or(k.ordinal < 0 OR isempty(k.span) OR lower(k.span) <= k.before), false) AS backwards,
        coalesce(bool_or(k.body IS DISTINCT FROM k.shown), false) AS misplaced,
        coalesce(range_agg(k.span), '{{}}'::int4multirange) AS covered
    INTO shape
    FROM (
        SELECT
            c.ordinal,
            c.span,
            is_sound(t) AS text_is_sound,
            lag(lower(c.span)) OVER (ORDER BY c.ordinal) AS before,
            substr(t.text, c.body_start + c.lead + 1) AS body,
            substr(e.text, lower(c.span) + 1, upper(c.span) - lower(c.span)) AS shown
        FROM chunks AS c
        LEFT JOIN texts AS t ON c.text_id = t.text_id
        LEFT JOIN elements AS e ON e.elements_id = owning.elements_id
        WHERE c.chunk_set_id = wanted
    ) AS k;
    IF shape.faulty_texts > 0 THEN
        RETURN null;
    ELSIF shape.gap OR EXISTS (
        SELECT 1
        FROM elements AS e
        CROSS JOIN unnest(int4multirange(int4range(0, length(e.text))) - shape.covered) AS gap (span)
        WHERE
            e.elements_id = owning.elements_id
            AND substr(e.text, lower(gap.span) + 1, upper(gap.span) - lower(gap.span)) ~ '\S'
    ) THEN
        RETURN 'chunks_missing';
    ELSIF shape.backwards THEN
        RETURN 'chunks_extra';
    ELSIF owning.digest IS NOT null OR shape.misplaced THEN
        RETURN 'chunks_altered';
    ELSIF shape.chunks = 0 THEN
        RETURN null;  -- A document without text of its own, as a mail around attachments.
    END IF;
    RETURN 'chunk_sets_without_digest';
END
$$;

-- What is wrong with a vector; null if nothing. A vector without a digest, from before there were any, is not given
-- one: an UPDATE would insert it into the index once more. Its length alone can be compared.
CREATE OR REPLACE FUNCTION vector_fault(
    embedding vector, digest bytea, dimensions integer, normalised boolean
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE
    WHEN vector_dims(embedding) <> dimensions THEN 'vectors_of_wrong_dimensions'
    WHEN vector_norm(embedding) = 0 THEN 'vectors_zero'
    WHEN digest <> vector_digest(embedding) THEN 'vectors_altered'
    WHEN digest IS null AND normalised AND abs(vector_norm(embedding) - 1) > 0.01 THEN 'vectors_altered'
    WHEN digest IS null THEN 'vectors_unverifiable'
END
$$;

CREATE OR REPLACE FUNCTION vector_fault(
    embedding halfvec, digest bytea, dimensions integer, normalised boolean
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE
    WHEN vector_dims(embedding) <> dimensions THEN 'vectors_of_wrong_dimensions'
    WHEN l2_norm(embedding) = 0 THEN 'vectors_zero'
    WHEN digest <> vector_digest(embedding) THEN 'vectors_altered'
    WHEN digest IS null AND normalised AND abs(l2_norm(embedding) - 1) > 0.01 THEN 'vectors_altered'
    WHEN digest IS null THEN 'vectors_unverifiable'
END
$$;
