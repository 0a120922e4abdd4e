-- Purpose: what is held back now, for people and for a retry: documents, and chunks whose text an endpoint refused.
-- None of it holds text of a document. The sentences are those of assets/elements/reasons.py; a test compares them.

DROP VIEW IF EXISTS {search}.quarantine;
DROP VIEW IF EXISTS held_back;
DROP VIEW IF EXISTS quarantine_reasons;

CREATE VIEW quarantine_reasons AS
SELECT
    r.reason,
    r.message
FROM (
    VALUES
    ('unsupported_format', 'it is in no format that is parsed; convert it, or leave it out with exclude'),
    ('misnamed', 'it is an image under another format''s name; give it its own extension, or leave it out'),
    ('damaged', 'it is broken, cut short, or not what its name says; get a whole copy of it'),
    ('too_large', 'it is larger than limits.max_file_mb and was not read; raise the limit and retry, or split it'),
    ('unreadable', 'it could not be opened; correct its rights'),
    ('password_protected', 'it needs a password or a key; save a copy without'),
    ('unknown_encoding', 'its text is in no encoding that fits; save it as UTF-8'),
    (
        'forbidden_entities',
        'its XML declares entities of its own, which can reach files or fill the memory; expand them'
    ),
    ('unpacks_too_large', 'far more comes out of it than its size says, as out of a bomb; save it anew'),
    ('too_much_text', 'it has more text than a document may have; split it'),
    ('image_too_large', 'it is an image of too many pixels; scale it down'),
    (
        'needs_tesseract',
        'it is an image or a scan; install tesseract (Debian: tesseract-ocr, tesseract-ocr-jpn and '
        'tesseract-ocr-jpn-vert)'
    ),
    (
        'needs_libreoffice',
        'it is an Office document of before 2007; install LibreOffice (Debian: libreoffice-writer, '
        'libreoffice-impress), or save it in a present format'
    ),
    ('needs_pandoc', 'it is read through pandoc; install pypandoc_binary, or pandoc of the system'),
    ('tool_failed', 'the program that reads it gave up; open it by hand and save it anew'),
    ('ocr_unsure', 'its picture could not be read with confidence; scan it better, or supply the text'),
    (
        'unmapped_glyphs',
        'it draws letters without saying which they are, and OCR is missing or no help; print it anew with '
        'its fonts, or install tesseract'
    ),
    ('text_lost', 'much of its text did not come out of the parser; save it in another format'),
    ('parse_timeout', 'it took longer than limits.parse_seconds; raise the limit and retry, or split it'),
    ('parse_memory', 'it took more memory than limits.parse_memory_mb; raise the limit and retry, or split it'),
    ('parser_crashed', 'the process that read it died; save it anew'),
    ('parse_error', 'its parser raised an error; save it anew, and report it if that does not help'),
    ('changed_while_reading', 'it changed while it was read; it is read again at the next refresh'),
    ('erased', 'its bytes were erased on request and are kept out; take it out of the source'),
    ('no_text', 'it has no text; supply some, or leave it out'),
    (
        'garbled',
        'more than 5 % of its characters are replacements or controls, the mark of a wrong encoding; save it '
        'as UTF-8'
    ),
    (
        'implausibly_small',
        'far less text came out of it than its size promises; see whether it is a picture of text, and save '
        'it in another format'
    ),
    ('chunk_error', 'it could not be cut into chunks, which is a fault of Suimon; report it with its detail'),
    (
        'chunks_unsound',
        'its chunks are empty, too long or not its whole text, which is a fault of Suimon; report it with '
        'the audit that its detail names'
    ),
    (
        'endpoint_refused',
        'the embedding endpoint refused the text of this chunk, so that no search finds it; change the text, '
        'or mend the endpoint and retry'
    ),
    (
        'too_long',
        'the model of the space does not read the text of this chunk to its end; refresh, and its document is cut '
        'anew for that model'
    )
) AS r (reason, message);
COMMENT ON VIEW quarantine_reasons IS 'Every reason code: what it is; what to do.';

-- Chunks that a head shows, or that are about to be shown, and whose text has a refusal and no vector. A function, as
-- each space has a table of its own, and as the views below must not fall with the view targets. What a document ought
-- to show is asked for the few that may be meant, by their numbers: a join would work it out for all.
-- Index: text_failures_pkey, chunks_by_text, heads_by_chunk_set, documents_by_content.
CREATE OR REPLACE FUNCTION refused_chunks()
RETURNS TABLE (collection_id integer, document_id bigint, ordinal integer, text_id bigint, space_id integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
SET search_path = {corpus}, pg_temp
AS $$
DECLARE
    space spaces;
BEGIN
    FOR space IN
        SELECT s.* FROM spaces AS s
        WHERE EXISTS (SELECT 1 FROM text_failures AS f WHERE f.space_id = s.space_id)
    LOOP
        RETURN QUERY EXECUTE format(
            'WITH refused AS MATERIALIZED (
                 SELECT f.text_id, k.chunk_set_id, k.ordinal
                 FROM text_failures AS f
                 INNER JOIN chunks AS k ON f.text_id = k.text_id
                 WHERE f.space_id = $1 AND NOT EXISTS (SELECT 1 FROM %I AS v WHERE v.text_id = f.text_id)
             )
             SELECT h.collection_id, h.document_id, r.ordinal, r.text_id, $1
             FROM refused AS r
             INNER JOIN heads AS h ON r.chunk_set_id = h.chunk_set_id
             UNION
             SELECT t.collection_id, t.document_id, r.ordinal, r.text_id, $1
             FROM targets AS t
             INNER JOIN refused AS r ON t.chunk_set_id = r.chunk_set_id
             WHERE
                 NOT t.quarantined
                 AND t.document_id = ANY(ARRAY(
                     SELECT d.document_id
                     FROM refused AS r
                     INNER JOIN chunk_sets AS s ON r.chunk_set_id = s.chunk_set_id
                     INNER JOIN elements AS e ON s.elements_id = e.elements_id
                     INNER JOIN documents AS d ON e.content_hash = d.content_hash AND e.format = d.format
                 ))',
            'vectors_' || space.name
        ) USING space.space_id;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION refused_chunks() FROM public;
GRANT EXECUTE ON FUNCTION refused_chunks() TO {pipeline};

-- A row a document and stage, or a chunk. The one definition of what counts as held back now.
CREATE VIEW held_back AS
SELECT
    'document' AS kind,
    d.collection_id,
    q.document_id,
    null::integer AS ordinal,
    null::bigint AS text_id,
    null::integer AS space_id,
    q.stage,
    q.reason,
    q.detail,
    q.attempts,
    q.first_seen,
    q.last_seen
FROM quarantine AS q
INNER JOIN documents AS d ON q.document_id = d.document_id
INNER JOIN collections AS c ON d.collection_id = c.collection_id
WHERE
    d.vanished_at IS null
    AND q.content_hash = d.content_hash
    AND q.recipe_id IN (c.parse_recipe_id, c.chunk_recipe_id)
    AND NOT q.retry
UNION ALL
SELECT
    'chunk' AS kind,
    k.collection_id,
    k.document_id,
    k.ordinal,
    k.text_id,
    k.space_id,
    'vectors' AS stage,
    f.reason,
    f.detail,
    f.attempts + coalesce(r.attempts, 0) AS attempts,
    least(f.first_seen, r.first_seen) AS first_seen,
    f.last_seen
FROM refused_chunks() AS k
INNER JOIN text_failures AS f ON k.text_id = f.text_id AND k.space_id = f.space_id
LEFT JOIN retried_texts AS r ON k.text_id = r.text_id AND k.space_id = r.space_id;
COMMENT ON VIEW held_back IS 'What search.quarantine shows, by numbers.';
GRANT SELECT ON quarantine_reasons, held_back TO {pipeline};

CREATE VIEW {search}.quarantine AS
SELECT
    c.name AS collection,
    d.uri,
    b.kind,
    b.ordinal,
    b.stage,
    b.reason,
    coalesce(
        upper(left(r.message, 1)) || substr(r.message, 2) || '.',
        'It is held back for a reason that this version does not know; its detail may tell.'
    ) AS message,
    b.detail,
    b.attempts,
    b.first_seen,
    b.last_seen,
    EXISTS(
        SELECT 1 FROM heads AS h
        WHERE h.document_id = b.document_id
    ) AS published,
    s.name AS space
FROM held_back AS b
INNER JOIN documents AS d ON b.document_id = d.document_id
INNER JOIN collections AS c ON b.collection_id = c.collection_id
LEFT JOIN quarantine_reasons AS r ON b.reason = r.reason
LEFT JOIN spaces AS s ON b.space_id = s.space_id;

COMMENT ON VIEW {search}.quarantine IS
'A row a document or chunk that is held back now: under its present bytes and the recipe in force, and not waiting to be
tried again.';
COMMENT ON COLUMN {search}.quarantine.collection IS 'The declared collection.';
COMMENT ON COLUMN {search}.quarantine.uri IS 'The document, by its path below the source.';
COMMENT ON COLUMN {search}.quarantine.kind IS 'document, or chunk: then the rest of the document is published.';
COMMENT ON COLUMN {search}.quarantine.ordinal IS 'Place of the chunk in its document, from 0; null for a document.';
COMMENT ON COLUMN {search}.quarantine.stage IS
'Where it was held back: elements, elements audit, chunks, chunk_sets audit, vectors.';
COMMENT ON COLUMN {search}.quarantine.reason IS 'The reason code.';
COMMENT ON COLUMN {search}.quarantine.message IS 'What the code means, and what to do, in a sentence.';
COMMENT ON COLUMN {search}.quarantine.detail IS
'An error''s type and place, a limit, an HTTP status, or an audit''s name; never text of the document.';
COMMENT ON COLUMN {search}.quarantine.attempts IS 'Failures of these bytes, or of this text, so far.';
COMMENT ON COLUMN {search}.quarantine.first_seen IS 'When it failed first.';
COMMENT ON COLUMN {search}.quarantine.last_seen IS 'When it failed last.';
COMMENT ON COLUMN {search}.quarantine.published IS
'Whether readers see something of the document: its other chunks, or an earlier version.';
COMMENT ON COLUMN {search}.quarantine.space IS 'The space in which a chunk has no vector; null for a document.';
GRANT SELECT ON {search}.quarantine TO {pipeline};

-- Holds back a document, as it is now and under a recipe; a repeated failure of the same bytes counts up.
-- Index: quarantine_pkey.
CREATE OR REPLACE FUNCTION hold_back(
    document bigint, at_stage text, for_reason text, more text, bytes bytea, under_recipe integer
) RETURNS void
LANGUAGE sql
AS $$
INSERT INTO quarantine AS held (document_id, stage, reason, detail, content_hash, recipe_id)
VALUES (document, at_stage, for_reason, more, bytes, under_recipe)
ON CONFLICT (document_id, stage) DO UPDATE SET
    reason = excluded.reason,
    detail = excluded.detail,
    attempts = CASE WHEN held.content_hash = excluded.content_hash THEN held.attempts + 1 ELSE 1 END,
    content_hash = excluded.content_hash,
    recipe_id = excluded.recipe_id,
    retry = false,
    last_seen = now();
$$;
REVOKE ALL ON FUNCTION hold_back(bigint, text, text, text, bytea, integer) FROM public;
GRANT EXECUTE ON FUNCTION hold_back(bigint, text, text, text, bytea, integer) TO {pipeline};
