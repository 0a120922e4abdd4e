-- Purpose: what the audit suites look at. Numbers only: no column here holds a document's text, so no
-- audit result can. The views below fall with targets and candidates, and are made again here.

DROP VIEW IF EXISTS audited_sources;

-- A row a collection: the state of the source against what readers see.
CREATE VIEW audited_sources AS
SELECT
    c.collection_id,
    present.documents,
    present.duplicates,
    shown.heads,
    shown.vanished,
    CASE WHEN shown.heads > 0 THEN shown.vanished::float8 / shown.heads ELSE 0 END AS vanished_share,
    CASE WHEN shown.heads > 0 AND present.documents = 0 THEN 1 ELSE 0 END AS emptied,
    present.newcomers
FROM collections AS c
CROSS JOIN
    LATERAL (
        SELECT
            count(*) AS documents,
            count(*) - count(DISTINCT d.uri) AS duplicates,
            count(*) FILTER (
                WHERE
                NOT EXISTS (
                    SELECT 1 FROM heads AS h
                    WHERE h.document_id = d.document_id
                )
                AND NOT EXISTS (
                    SELECT 1 FROM quarantine AS q
                    WHERE q.document_id = d.document_id AND q.content_hash = d.content_hash
                )
                -- Agreed to before, and left over by a budget.
                AND NOT EXISTS (
                    SELECT 1 FROM postponed AS p
                    WHERE p.document_id = d.document_id
                )
            ) AS newcomers
        FROM documents AS d
        WHERE d.collection_id = c.collection_id AND d.vanished_at IS null
    ) AS present
CROSS JOIN LATERAL (
    SELECT
        count(*) AS heads,
        count(*) FILTER (WHERE d.vanished_at IS NOT null) AS vanished
    FROM heads AS h
    INNER JOIN documents AS d ON h.document_id = d.document_id
    WHERE h.collection_id = c.collection_id
) AS shown;

-- A row a document that is to be parsed or has just been: its size, whether it has come to a decision.
CREATE VIEW audited_documents AS
SELECT
    t.collection_id,
    t.document_id,
    t.size,
    CASE WHEN w.document_id IS NOT null THEN 1 ELSE 0 END AS undecided
FROM targets AS t
LEFT JOIN unparsed AS w ON t.document_id = w.document_id
LEFT JOIN heads AS h ON t.document_id = h.document_id
WHERE t.chunk_set_id IS null OR h.chunk_set_id IS DISTINCT FROM t.chunk_set_id;

-- A row a parse that has no recorded pass and is about to be used.
CREATE VIEW audited_elements AS
SELECT
    t.collection_id,
    t.document_id,
    e.elements_id,
    length(e.text) AS characters,
    -- Null where there is no text at all: that is another audit's finding. Null for a mail, whose size is that of
    -- its attachments, which are judged by themselves.
    CASE
        WHEN t.format NOT IN ('eml', 'msg') THEN nullif(length(e.text), 0) * 1000.0 / greatest(t.size, 1)
    END AS characters_per_kilobyte,
    (e.counters ->> 'replaced')::integer * 1.0 / greatest(length(e.text), 1) AS replaced_share,
    (e.counters ->> 'stripped')::integer * 1.0 / greatest(length(e.text), 1) AS stripped_share,
    jsonb_array_length(e.elements) AS elements
FROM targets AS t
INNER JOIN elements AS e ON t.elements_id = e.elements_id
LEFT JOIN heads AS h ON t.document_id = h.document_id
WHERE NOT t.quarantined AND (t.chunk_set_id IS null OR h.chunk_set_id IS DISTINCT FROM t.chunk_set_id);

-- A row a candidate chunk set: whether its chunks hang together, hold the document's whole text, and hold it
-- where their spans say. Each is asked of the text once for all chunks: what they show, with blanks for the gaps
-- between their spans, is the document, blank for blank. Only where it is not, each span and gap is cut out of the
-- text to count them: in a text of megabytes every such cut reads it from its start.
CREATE VIEW audited_chunk_sets AS
SELECT
    c.collection_id,
    c.document_id,
    c.chunk_set_id,
    seen.chunks,
    seen.ordinal_gaps,
    seen.empty_chunks,
    seen.longest_tokens,
    CASE WHEN seen.sound THEN 0 ELSE (
        SELECT
            coalesce(sum(length(regexp_replace(
                substr(e.text, lower(gap.span) + 1, upper(gap.span) - lower(gap.span)), '\s', '', 'g'
            ))), 0)
        FROM unnest(int4multirange(int4range(0, length(e.text))) - seen.covered) AS gap (span)
    ) END AS characters_left_out,
    CASE WHEN seen.sound THEN 0 ELSE (
        SELECT count(*)
        FROM chunks AS k
        INNER JOIN texts AS x ON k.text_id = x.text_id
        WHERE
            k.chunk_set_id = c.chunk_set_id
            AND substr(x.text, k.body_start + k.lead + 1)
            IS DISTINCT FROM substr(e.text, lower(k.span) + 1, upper(k.span) - lower(k.span))
    ) END AS misplaced_spans
FROM candidates AS c
INNER JOIN elements AS e ON c.elements_id = e.elements_id
CROSS JOIN
    LATERAL (
        SELECT
            count(*) AS chunks,
            coalesce(max(p.ordinal) + 1, 0) - count(*) AS ordinal_gaps,
            count(*) FILTER (WHERE p.body !~ '\S') AS empty_chunks,
            coalesce(max(p.tokens), 0) AS longest_tokens,
            coalesce(range_agg(p.span), '{{}}'::int4multirange) AS covered,
            coalesce(bool_and(
                length(p.body) = upper(p.span) - lower(p.span)
                AND left(p.body, greatest(p.reached - lower(p.span), 0))
                = right(p.body_before, greatest(p.reached - lower(p.span), 0))
            ), false)
            AND rtrim(translate(e.text, E'\t\n\u00a0\u3000', '    ')) = rtrim(string_agg(
                repeat(' ', least(greatest(lower(p.span) - p.reached, 0), 1000000))
                || translate(substr(p.body, greatest(p.reached - lower(p.span), 0) + 1), E'\t\n\u00a0\u3000', '    '),
                '' ORDER BY p.ordinal
            )) AS sound
        FROM (
            SELECT
                k.ordinal,
                k.span,
                x.tokens,
                shown.body,
                lag(upper(k.span), 1, 0) OVER following AS reached,
                lag(shown.body, 1, '') OVER following AS body_before
            FROM chunks AS k
            INNER JOIN texts AS x ON k.text_id = x.text_id
            CROSS JOIN LATERAL (SELECT substr(x.text, k.body_start + k.lead + 1) AS body) AS shown
            WHERE k.chunk_set_id = c.chunk_set_id
            WINDOW following AS (ORDER BY k.ordinal)
        ) AS p
    ) AS seen;

-- A row a text that wants a vector in a space: those of candidates, those of published documents that want one again,
-- and those of all published documents of a collection that is not complete in the space. What its vector is like is
-- told by audited_vectors_<space>, which is made with the space. What is published already comes first.
-- A plain SQL function, so that the planner sees through it: conditions on the collection reach its parts.
CREATE OR REPLACE FUNCTION candidate_texts(space integer)
RETURNS TABLE (collection_id integer, text_id bigint, first_chunk_set bigint)
LANGUAGE sql STABLE
AS $$
SELECT
    w.collection_id,
    w.text_id,
    min(w.chunk_set_id)
FROM (
    SELECT
        c.collection_id,
        k.text_id,
        c.chunk_set_id
    FROM candidates AS c
    INNER JOIN chunks AS k ON c.chunk_set_id = k.chunk_set_id
    UNION ALL
    SELECT
        again.collection_id,
        again.text_id,
        0
    FROM wanted_texts AS again
    WHERE again.space_id = space
    UNION ALL
    SELECT
        n.collection_id,
        k.text_id,
        0
    FROM collections AS n
    CROSS JOIN LATERAL (
        SELECT inside.text_id
        FROM heads AS h
        INNER JOIN chunks AS inside ON h.chunk_set_id = inside.chunk_set_id
        WHERE
            h.collection_id = n.collection_id
            AND NOT EXISTS (
                SELECT 1 FROM space_fills AS f
                WHERE f.collection_id = n.collection_id AND f.space_id = space
            )
        OFFSET 0 -- So that this is asked first, and nothing is read where the collection is complete.
    ) AS k
) AS w
GROUP BY w.collection_id, w.text_id
$$;
REVOKE ALL ON FUNCTION candidate_texts(integer) FROM public;
GRANT EXECUTE ON FUNCTION candidate_texts(integer) TO {pipeline};
