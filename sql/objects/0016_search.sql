-- Purpose: the search functions. One function does the work: it checks what it is given, finds candidates through
-- the vector index and through the terms, scores them, and gives k rows whenever k rows match: it counts what it found,
-- and searches exactly where the index gave too few. Readers call three thin functions around it.
-- Statements are made for the space's table and for the parts of the filter that are there; what a caller gave is
-- bound. pgvector's schema is named, and on no search_path here: who may create there could offer a nearer function
-- otherwise.

DO $$
DECLARE
    ours regprocedure;
BEGIN
    FOR ours IN
        SELECT p.oid FROM pg_proc AS p
        WHERE
            p.pronamespace = to_regnamespace('{search}')
            OR (
                p.pronamespace = to_regnamespace('{corpus}')
                AND p.prorettype IN (to_regtype('{search}.passage'), to_regtype('{search}.passage[]'))
            )
    LOOP
        EXECUTE format('DROP FUNCTION %s', ours);
    END LOOP;
END
$$;
DROP TYPE IF EXISTS {search}.passage;
DROP TYPE IF EXISTS search_plan CASCADE;
DROP TYPE IF EXISTS asked_terms CASCADE;
-- noqa: disable=LT01
CREATE TYPE search_plan AS (
    space spaces,
    vectors text,
    audiences integer[],
    filter head_filter,
    bounded boolean,
    filtered boolean,
    condition text
);
COMMENT ON TYPE search_plan IS
'Where to look: the space and its table, the audiences that the caller belongs to and the filter leaves, whether these
are fewer than all, whether there is more to the filter, and both as a condition on a head h.';
CREATE TYPE asked_terms AS (
    queries tsquery[],
    weights double precision[],
    chunks bigint[],
    average double precision,
    highest double precision
);
COMMENT ON TYPE asked_terms IS
'The terms of a question, the rarest first: what each weighs and in how many chunks it occurs; how long a chunk is on
average, and the score that none can exceed.';
CREATE TYPE {search}.passage AS (
    rank integer,
    collection text,
    uri text,
    link text,
    title text,
    heading_path text[],
    pages integer[],
    ordinal integer,
    text text,
    score double precision,
    semantic_score double precision,
    semantic_rank integer,
    lexical_score double precision,
    lexical_rank integer,
    copies bigint,
    text_before text[],
    text_after text[],
    metadata jsonb,
    html text,
    flags text[],
    published_at timestamptz,
    publish integer,
    run_id text,
    document_id bigint,
    text_id bigint,
    span int4range,
    lead integer
);
-- noqa: enable=LT01
GRANT USAGE ON TYPE {search}.passage TO {reader}, {pipeline};

-- How often a lexeme occurs in a text, from ts_rank of a question of that lexeme alone, which is
-- w * (1 + 1/4 + 1/9 + ... + 1/n^2) / 1.64493406685 with w = 0.1 (calc_rank_or in PostgreSQL's tsrank.c). The sum up to
-- n is pi^2/6 - 1/(n + 1/2), closely. Four times faster than to unnest the tsvector.
CREATE OR REPLACE FUNCTION occurrences(rank real) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE
    WHEN rank <= 0 THEN 0
    ELSE round(1 / greatest(1.64493406685 * (1 - rank::double precision * 10), 0.001) - 0.5)
END
$$;

-- A term as a tsquery.
CREATE OR REPLACE FUNCTION term_query(term text, prefix boolean) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT (
    '''' || replace(replace(term, '\', '\\'), '''', '''''') || '''' || CASE WHEN prefix THEN ':*' ELSE '' END
)::tsquery
$$;

-- The part of WHERE that a filter and the caller's rights ask of a head h; its parameters are $2 to $6. Fixed text.
CREATE OR REPLACE FUNCTION head_condition(wanted head_filter, bounded boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT concat_ws(
    ' AND ',
    'true',
    CASE WHEN bounded THEN 'h.audience_id = ANY($2)' END,
    CASE WHEN wanted.uri_prefix IS NOT NULL THEN 'h.uri ^@ $3' END,
    CASE WHEN wanted.contains IS NOT NULL THEN 'h.metadata @> $4' END,
    CASE WHEN wanted.path IS NOT NULL THEN
        'jsonb_path_match(h.metadata, $5, $6'
        || CASE WHEN 'collection' = ANY(wanted.of_rows) THEN ' || jsonb_build_object(''collection'', h.collection)' ELSE '' END
        || CASE WHEN 'uri' = ANY(wanted.of_rows) THEN ' || jsonb_build_object(''uri'', h.uri)' ELSE '' END
        || CASE WHEN 'title' = ANY(wanted.of_rows) THEN ' || jsonb_build_object(''title'', h.title)' ELSE '' END
        || CASE WHEN 'language' = ANY(wanted.of_rows) THEN ' || jsonb_build_object(''language'', (
            SELECT e.language FROM chunk_sets AS s INNER JOIN elements AS e ON s.elements_id = e.elements_id
            WHERE s.chunk_set_id = h.chunk_set_id))' ELSE '' END
        || CASE WHEN 'profile' = ANY(wanted.of_rows) THEN ' || jsonb_build_object(''profile'', h.profile)' ELSE '' END
        || CASE WHEN wanted.of_rows && ARRAY['publish', 'published_at'] THEN ' || (
            SELECT jsonb_build_object(''publish'', p.number, ''published_at'', moment_text(p.published_at))
            FROM publishes AS p WHERE p.publish_id = h.publish_id)' ELSE '' END
        || ', true)'
    END
)
$$;

-- The passages from so many before to so many after the one in s, as a piece of a statement. Fixed text and integers.
CREATE OR REPLACE FUNCTION texts_around(first integer, last integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE WHEN first > last THEN 'null::text[]' ELSE format(
    '(SELECT array_agg(substr(x.text, k.body_start + 1) ORDER BY k.ordinal)
      FROM chunks AS k INNER JOIN texts AS x ON k.text_id = x.text_id
      WHERE k.chunk_set_id = s.chunk_set_id AND k.ordinal BETWEEN s.ordinal + %s AND s.ordinal + %s)', first, last
) END
$$;

-- Refuse what cannot be searched, in a sentence.
CREATE OR REPLACE FUNCTION checked_space(space text, question vector, words text, k integer, neighbours integer)
RETURNS spaces
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    chosen spaces;
BEGIN
    SELECT s.* INTO chosen FROM spaces AS s WHERE s.name = space;
    IF chosen.name IS NULL THEN
        RAISE EXCEPTION 'there is no space %', coalesce(quote_literal(space), 'null') USING
            ERRCODE = 'invalid_parameter_value',
            HINT = 'search.spaces lists them: ' || coalesce((SELECT string_agg(s.name, ', ' ORDER BY s.name) FROM spaces AS s), 'none yet') || '.';
    ELSIF NOT chosen.ready AND NOT chosen.live THEN
        RAISE EXCEPTION 'space % is still being filled', chosen.name USING
            ERRCODE = 'invalid_parameter_value',
            HINT = format(
                'Use space %s until search.spaces says that it is ready.', (SELECT s.name FROM spaces AS s WHERE s.live)
            );
    ELSIF question IS NOT NULL AND {extension}.vector_dims(question) <> chosen.dimensions THEN
        RAISE EXCEPTION 'the vector has % dimensions, and space % has %',
            {extension}.vector_dims(question), chosen.name, chosen.dimensions
            USING ERRCODE = 'invalid_parameter_value',
                HINT = format('Embed the question with model %s.', chosen.query_model);
    ELSIF question IS NOT NULL AND {extension}.vector_norm(question) = 0 THEN
        RAISE EXCEPTION 'the vector is zero, and has no direction' USING ERRCODE = 'invalid_parameter_value',
            HINT = format('Embed the question with model %s.', chosen.query_model);
    ELSIF k IS NULL OR k NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'k is %, and may be 1 to 1000', coalesce(k::text, 'null') USING ERRCODE = 'invalid_parameter_value',
            HINT = 'k is how many passages come back at most.';
    ELSIF neighbours IS NULL OR neighbours NOT BETWEEN 0 AND 10 THEN
        RAISE EXCEPTION 'neighbours is %, and may be 0 to 10', coalesce(neighbours::text, 'null')
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'It is how many passages before and after each one come along.';
    ELSIF question IS NULL AND words IS NULL THEN
        RAISE EXCEPTION 'nothing is asked for' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Neither the vector nor the words may be null.';
    END IF;
    RETURN chosen;
END
$$;

-- The metadata fields that a filter may name: those that every document has, and those of the collections of which the
-- caller sees something. A field that two of them declare with different types is compared as it is.
CREATE OR REPLACE FUNCTION visible_fields(audiences integer[]) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
SELECT jsonb_object_agg(f.name, f.type)
FROM (
    SELECT t.name, CASE WHEN count(DISTINCT t.type) = 1 THEN min(t.type) ELSE 'any' END AS type
    FROM (
        SELECT u.name, 'string' AS type FROM unnest(ARRAY['name', 'folder', 'format', 'parent']) AS u (name)
        UNION ALL
        SELECT d.key, d.value
        FROM collections AS c
        CROSS JOIN LATERAL jsonb_each_text(c.metadata_types || c.profile_types) AS d
        WHERE c.collection_id IN (
            SELECT a.collection_id FROM audiences AS a WHERE a.audience_id = ANY(visible_fields.audiences)
        )
    ) AS t
    GROUP BY t.name
) AS f
$$;

CREATE OR REPLACE FUNCTION planned_search(space spaces, filter jsonb) RETURNS search_plan
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    plan search_plan;
    wanted head_filter;
BEGIN
    plan.space := space;
    plan.vectors := 'vectors_' || space.name;
    plan.audiences := visible_audiences();
    IF filter <> '{{}}' THEN
        wanted := compiled_filter(filter, visible_fields(plan.audiences));
    END IF;
    IF wanted.collections IS NOT NULL THEN
        plan.audiences := ARRAY(
            SELECT a.audience_id FROM audiences AS a
            INNER JOIN collections AS c ON a.collection_id = c.collection_id
            WHERE a.audience_id = ANY(plan.audiences) AND c.name = ANY(wanted.collections)
        );
    END IF;
    plan.filter := wanted;
    plan.bounded := EXISTS (SELECT 1 FROM audiences AS a WHERE a.audience_id <> ALL(plan.audiences));
    plan.filtered := num_nonnulls(wanted.uri_prefix, wanted.contains, wanted.path) > 0;
    plan.condition := CASE WHEN plan.bounded OR plan.filtered THEN head_condition(wanted, plan.bounded) ELSE 'true' END;
    RETURN plan;
END
$$;

-- The same where heads are what is read first. The collections are named as well: before Postgres 18 an index on two
-- columns is not entered by the second.
-- Index: heads_by_collection_id, heads_by_uri, heads_by_metadata.
CREATE OR REPLACE FUNCTION entry_condition(plan search_plan) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT concat_ws(
    ' AND ',
    plan.condition,
    CASE WHEN plan.bounded THEN
        'h.collection_id = ANY(ARRAY(SELECT a.collection_id FROM audiences AS a WHERE a.audience_id = ANY($2)))'
    END,
    CASE WHEN (plan.filter).uri_prefix IS NOT NULL THEN
        'h.collection = ANY(ARRAY(SELECT c.name FROM collections AS c))'
    END
)
$$;

-- The texts that match, up to a bound; in no order.
CREATE OR REPLACE FUNCTION matching_texts(plan search_plan, bound integer) RETURNS bigint[]
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    text_ids bigint[];
BEGIN
    EXECUTE format(
        'SELECT array_agg(f.text_id) FROM (
            SELECT DISTINCT k.text_id
            FROM heads AS h INNER JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id WHERE %s LIMIT %s
        ) AS f', entry_condition(plan), bound
    ) INTO text_ids
    USING null, plan.audiences, (plan.filter).uri_prefix, (plan.filter).contains, (plan.filter).path,
        (plan.filter).variables;
    RETURN coalesce(text_ids, '{{}}');
END
$$;

-- The statement that the vector index serves, where the planner finds that it pays.
CREATE OR REPLACE FUNCTION nearest_statement(plan search_plan, asked integer) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
SELECT format(
    'SELECT v.text_id, v.embedding OPERATOR({extension}.<=>) $1::{extension}.%1$s AS distance FROM %2$I AS v ORDER BY v.embedding OPERATOR({extension}.<=>) $1::{extension}.%1$s LIMIT %3$s',
    (plan.space).storage, plan.vectors, asked
)
$$;

-- The same, which goes on until enough of what it meets matches. OFFSET keeps the planner from reading all chunks
-- first.
CREATE OR REPLACE FUNCTION filtered_statement(plan search_plan, wanted integer) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
SELECT format(
    'SELECT v.text_id, v.embedding OPERATOR({extension}.<=>) $1::{extension}.%1$s AS distance FROM %2$I AS v
     WHERE EXISTS (SELECT 1 FROM chunks AS k INNER JOIN heads AS h ON k.chunk_set_id = h.chunk_set_id
                   WHERE k.text_id = v.text_id AND %4$s OFFSET 0)
     ORDER BY v.embedding OPERATOR({extension}.<=>) $1::{extension}.%1$s LIMIT %3$s',
    (plan.space).storage, plan.vectors, wanted, plan.condition
)
$$;

-- What a statement over the index gives, as far as it matches. The caller's settings are as before, afterwards.
CREATE OR REPLACE FUNCTION nearest_by_index(
    plan search_plan, question vector, statement text, wanted integer, candidates integer, iterative text,
    OUT text_ids bigint[], OUT distances double precision[]
)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    ef_search CONSTANT text := current_setting('hnsw.ef_search');
    iterative_scan CONSTANT text := current_setting('hnsw.iterative_scan');
BEGIN
    PERFORM set_config('hnsw.ef_search', least(1000, candidates)::text, true);
    PERFORM set_config('hnsw.iterative_scan', iterative, true);
    EXECUTE format(
        'SELECT coalesce(array_agg(f.text_id), ''{{}}''), coalesce(array_agg(f.distance), ''{{}}'') FROM (
            SELECT v.text_id, v.distance FROM (%s) AS v
            CROSS JOIN LATERAL (SELECT 1 FROM chunks AS k INNER JOIN heads AS h ON k.chunk_set_id = h.chunk_set_id
                                WHERE k.text_id = v.text_id AND %s LIMIT 1) AS m
            ORDER BY v.distance LIMIT %s
        ) AS f', statement, plan.condition, wanted
    ) INTO text_ids, distances
    USING question, plan.audiences, (plan.filter).uri_prefix, (plan.filter).contains, (plan.filter).path,
        (plan.filter).variables;
    PERFORM set_config('hnsw.ef_search', ef_search, true);
    PERFORM set_config('hnsw.iterative_scan', iterative_scan, true);
END
$$;

-- The texts nearest to a question among those that match, as many as wanted if there are, with their distances; and how
-- they were found. The index is asked for some more than wanted, and what it gives is filtered. Where that leaves
-- fewer than needed, all that matches is sorted exactly, if it is not too much; else the index goes on for a while
-- before that is done. What is known to be few is not looked for in the index at all.
CREATE OR REPLACE FUNCTION nearest(
    plan search_plan, question vector, wanted integer, needed integer,
    OUT text_ids bigint[], OUT distances double precision[], OUT served text
)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    few CONSTANT integer := 2000;
    many CONSTANT integer := 20000;
    asked CONSTANT integer := CASE WHEN plan.bounded OR plan.filtered THEN greatest(200, wanted) ELSE wanted + 10 END;
    matching bigint[];
BEGIN
    IF NOT plan.bounded OR few <= (
        SELECT coalesce(sum(s.chunks), 0) FROM audience_sizes AS s WHERE s.audience_id = ANY(plan.audiences)
    ) THEN
        served := 'index';
        SELECT n.text_ids, n.distances INTO text_ids, distances
        FROM nearest_by_index(plan, question, nearest_statement(plan, asked), wanted, greatest(100, asked), 'off') AS n;
        IF cardinality(text_ids) >= needed THEN
            RETURN;
        END IF;
    END IF;
    matching := matching_texts(plan, many + 1);
    IF cardinality(matching) > many THEN
        served := 'index, iterative scan';
        SELECT n.text_ids, n.distances INTO text_ids, distances
        FROM nearest_by_index(plan, question, filtered_statement(plan, wanted), wanted, 200, 'strict_order') AS n;
        IF cardinality(text_ids) >= needed THEN
            RETURN;
        END IF;
        matching := matching_texts(plan, 2000000000);
    END IF;
    served := 'exact';
    EXECUTE format(
        'SELECT coalesce(array_agg(f.text_id), ''{{}}''), coalesce(array_agg(f.distance), ''{{}}'') FROM (
            SELECT v.text_id, v.embedding OPERATOR({extension}.<=>) $1::{extension}.%1$s AS distance
            FROM unnest($2) AS m (text_id) INNER JOIN %2$I AS v ON m.text_id = v.text_id
            ORDER BY (v.embedding OPERATOR({extension}.<=>) $1::{extension}.%1$s) + 0, v.text_id LIMIT %3$s
        ) AS f', (plan.space).storage, plan.vectors, wanted
    ) INTO text_ids, distances USING question, matching;
END
$$;

-- The terms of a question and what they weigh among what the caller sees: BM25's idf, always above zero, and a quarter
-- of it for what only holds a sentence together.
CREATE OR REPLACE FUNCTION asked_terms(words text, audiences integer[]) RETURNS asked_terms
LANGUAGE sql STABLE
AS $$
SELECT
    coalesce(array_agg(q.query ORDER BY q.chunks, q.term), '{{}}'),
    coalesce(array_agg(q.idf ORDER BY q.chunks, q.term), '{{}}'),
    coalesce(array_agg(q.chunks ORDER BY q.chunks, q.term), '{{}}'),
    greatest(max(q.average), 1),
    greatest(sum(q.idf), 1e-9)
FROM (
    SELECT
        t.term,
        term_query(t.term, t.prefix) AS query,
        f.chunks,
        t.weight * ln(1 + (greatest(n.chunks, f.chunks) - f.chunks + 0.5) / (f.chunks + 0.5))::double precision AS idf,
        n.average
    FROM question_terms(asked_terms.words) AS t
    CROSS JOIN LATERAL (
        SELECT coalesce(CASE
            WHEN t.prefix THEN (
                SELECT sum(c.chunks) FROM term_counts AS c
                WHERE c.term ^@ t.term AND c.audience_id = ANY(asked_terms.audiences)
            )
            ELSE (
                SELECT sum(c.chunks) FROM term_counts AS c
                WHERE c.term = t.term AND c.audience_id = ANY(asked_terms.audiences)
            )
        END, 0)::bigint AS chunks
    ) AS f
    CROSS JOIN (
        SELECT coalesce(sum(s.chunks), 0) AS chunks, sum(s.terms)::double precision / nullif(sum(s.chunks), 0) AS average
        FROM audience_sizes AS s
        WHERE s.audience_id = ANY(asked_terms.audiences)
    ) AS n
) AS q
$$;

-- Texts that hold the rarest terms of a question: as many terms as bring some hundred texts. Where words are all that
-- is asked for, more of them and one term at least, however frequent; and all, if that leaves fewer than are wanted.
CREATE OR REPLACE FUNCTION worded(
    plan search_plan, asked asked_terms, alone boolean, k integer, OUT text_ids bigint[], OUT used integer
)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    reached bigint := 0;
    few CONSTANT integer := 2000;
    bound CONSTANT integer := CASE WHEN alone THEN 1000 ELSE 300 END;
    wanted CONSTANT integer := CASE WHEN alone THEN k ELSE 0 END;
    terms CONSTANT integer := cardinality(asked.queries);
    statement CONSTANT text := format(
        'SELECT array_agg(v.text_id) FROM (SELECT t.text_id FROM texts AS t WHERE t.lexemes @@ $7) AS v
         WHERE EXISTS (SELECT 1 FROM chunks AS k INNER JOIN heads AS h ON k.chunk_set_id = h.chunk_set_id
                       WHERE k.text_id = v.text_id AND %s OFFSET 0)', plan.condition
    );
BEGIN
    -- Of few passages that the caller may see, all are candidates: a term that is rare among them may be frequent
    -- elsewhere.
    IF plan.bounded AND few > (
        SELECT coalesce(sum(s.chunks), 0) FROM audience_sizes AS s WHERE s.audience_id = ANY(plan.audiences)
    ) THEN
        used := terms;
        text_ids := ARRAY(
            SELECT t.text_id
            FROM unnest(matching_texts(plan, few)) AS m (text_id)
            INNER JOIN texts AS t ON m.text_id = t.text_id
            WHERE t.lexemes @@ (SELECT string_agg(q::text, ' | ')::tsquery FROM unnest(asked.queries) AS q)
        );
        RETURN;
    END IF;
    used := 0;
    WHILE
        used < terms AND ((alone AND reached = 0) OR reached + asked.chunks[used + 1] <= bound)
    LOOP
        used := used + 1;
        reached := reached + asked.chunks[used];
    END LOOP;
    LOOP
        IF reached > 0 THEN
            EXECUTE statement INTO text_ids
            USING null, plan.audiences, (plan.filter).uri_prefix, (plan.filter).contains, (plan.filter).path,
                (plan.filter).variables, (SELECT string_agg(q::text, ' | ')::tsquery FROM unnest(asked.queries[1:used]) AS q);
        END IF;
        text_ids := coalesce(text_ids, '{{}}');
        EXIT WHEN used = terms OR cardinality(text_ids) >= wanted;
        used := terms;
        reached := reached + 1;
    END LOOP;
END
$$;

-- Candidates with their scores, the best first: by meaning, 1 minus the cosine distance; by words, BM25; and both.
-- Added, not fused by rank: BM25 is divided by what no text could exceed, so that a question whose words do not occur
-- changes nothing. Constants were measured on labelled sets in English and Japanese: docs/quality.md. OFFSET keeps the
-- planner from computing a score once for each place that names it; || reads a stored tsvector once for all terms.
CREATE OR REPLACE FUNCTION scored(
    plan search_plan, question vector, asked asked_terms, candidates bigint[], k integer
) RETURNS TABLE (
    text_id bigint, score double precision, semantic double precision, semantic_rank integer,
    lexical double precision, lexical_rank integer
)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT s.text_id,
                CASE WHEN $1 IS NULL THEN s.lexical WHEN $3 IS NULL THEN s.semantic
                     ELSE s.semantic + 0.11 * s.lexical / $5 END AS score,
                s.semantic,
                CASE WHEN $1 IS NOT NULL THEN rank() OVER (ORDER BY s.semantic DESC)::integer END,
                s.lexical,
                CASE WHEN s.lexical > 0 THEN rank() OVER (ORDER BY s.lexical DESC)::integer END
         FROM (
            SELECT t.text_id, 1 - (v.embedding OPERATOR({extension}.<=>) $1::{extension}.%s)::double precision AS semantic,
                CASE WHEN $3 IS NOT NULL THEN (
                    SELECT coalesce(sum(q.weight * o.often / (o.often + 1.2 * (0.25 + 0.75 * t.terms / $6))), 0)
                    FROM unnest($3, $4) AS q (query, weight)
                    CROSS JOIN LATERAL (SELECT occurrences(ts_rank(l.lexemes, q.query)) AS often OFFSET 0) AS o
                    WHERE o.often > 0
                ) END AS lexical
            FROM unnest($2) AS c (text_id)
            INNER JOIN texts AS t ON c.text_id = t.text_id
            CROSS JOIN LATERAL (SELECT t.lexemes || '''' AS lexemes OFFSET 0) AS l
            INNER JOIN %I AS v ON c.text_id = v.text_id
            OFFSET 0
         ) AS s
         WHERE $1 IS NOT NULL OR s.lexical > 0
         ORDER BY 2 DESC, s.text_id
         LIMIT %s', (plan.space).storage, plan.vectors, k
    ) USING question, candidates, asked.queries, asked.weights, asked.highest, asked.average;
END
$$;

-- The same shape, of texts that are in order already.
CREATE OR REPLACE FUNCTION semantic_scores(text_ids bigint[], distances double precision[]) RETURNS TABLE (
    text_id bigint, score double precision, semantic double precision, semantic_rank integer,
    lexical double precision, lexical_rank integer
)
LANGUAGE sql IMMUTABLE
AS $$
SELECT n.id, 1 - n.distance, 1 - n.distance, n.nth::integer, null::double precision, null::integer
FROM unnest(text_ids, distances) WITH ORDINALITY AS n (id, distance, nth)
$$;

-- The statement that gives scored texts their places: one place a text, the first by collection, uri and ordinal, and
-- how many there are. Its parameters are $1 to $6 as everywhere, and those of what scores.
CREATE OR REPLACE FUNCTION passages_statement(plan search_plan, scoring text, k integer, neighbours integer)
RETURNS text
LANGUAGE sql STABLE
AS $$
SELECT format(
    'SELECT (row_number() OVER (ORDER BY r.nth))::integer, s.collection, s.uri,
        replace(s.link, ''{{page}}'', coalesce(s.pages[1], 1)::text), s.title, s.heading_path, s.pages, s.ordinal,
        substr(t.text, s.body_start + 1), r.score, r.semantic,
        CASE WHEN r.semantic IS NOT NULL THEN coalesce(r.semantic_rank, row_number() OVER (ORDER BY r.nth))::integer END,
        r.lexical, r.lexical_rank, s.copies, %2$s, %3$s, s.metadata, s.html, s.flags, p.published_at, p.number, p.run_id,
        s.document_id, r.text_id, s.span, s.lead
     FROM %4$s AS r (text_id, score, semantic, semantic_rank, lexical, lexical_rank, nth)
     INNER JOIN texts AS t ON r.text_id = t.text_id
     CROSS JOIN LATERAL (
        SELECT h.*, k.ordinal, k.pages, k.heading_path, k.body_start, k.html, k.flags, k.span, k.lead,
            count(*) OVER () AS copies
        FROM chunks AS k INNER JOIN heads AS h ON k.chunk_set_id = h.chunk_set_id
        WHERE k.text_id = r.text_id AND %1$s
        ORDER BY h.collection, h.uri, k.ordinal
        LIMIT 1
     ) AS s
     INNER JOIN publishes AS p ON s.publish_id = p.publish_id
     ORDER BY r.nth LIMIT %5$s',
    plan.condition, texts_around(-neighbours, -1), texts_around(1, neighbours), scoring, k
)
$$;

CREATE FUNCTION search_passages(
    space text, question {extension}.vector, words text, k integer, filter jsonb, neighbours integer
) RETURNS SETOF {search}.passage
LANGUAGE plpgsql STABLE
SET search_path = {corpus}, pg_temp
SET jit = off
AS $$
DECLARE
    plan CONSTANT search_plan := planned_search(checked_space(space, question, words, k, neighbours), filter);
    asked asked_terms;
    near bigint[];
    distances double precision[];
    found {search}.passage[];
    scoring text := 'scored($7, $8, $9, $10, $11) WITH ORDINALITY';
BEGIN
    IF words IS NULL AND NOT plan.bounded AND NOT plan.filtered AND k <= 90 THEN  -- The shortest way, if it leads there.
        EXECUTE format('SELECT %I($1, $2, $3)', 'nearest_in_' || space) INTO found USING question, k, neighbours;
        IF found IS NOT NULL THEN
            RETURN QUERY SELECT f.* FROM unnest(found) AS f;
            RETURN;
        END IF;
    END IF;
    IF question IS NOT NULL THEN
        SELECT n.text_ids, n.distances INTO near, distances
        FROM nearest(plan, question, CASE WHEN words IS NULL THEN k ELSE greatest(k, 100) END, k) AS n;
    END IF;
    IF words IS NULL THEN
        scoring := 'semantic_scores($10, $12) WITH ORDINALITY';
    ELSE
        asked := asked_terms(words, plan.audiences);
        near := ARRAY(
            SELECT n.id FROM unnest(near) AS n (id)
            UNION
            SELECT w.id FROM unnest((worded(plan, asked, question IS NULL, k)).text_ids) AS w (id)
        );
    END IF;
    RETURN QUERY EXECUTE passages_statement(plan, scoring, k, neighbours)
    USING question, plan.audiences, (plan.filter).uri_prefix, (plan.filter).contains, (plan.filter).path,
        (plan.filter).variables, plan, question, asked, near, k, distances;
END
$$;

CREATE FUNCTION {search}.semantic(
    space text, embedding vector, k integer DEFAULT 10, filter jsonb DEFAULT '{{}}', neighbours integer DEFAULT 0
) RETURNS SETOF {search}.passage
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = {corpus}, pg_temp
SET standard_conforming_strings = on
AS $$ SELECT (p).* FROM search_passages(space, embedding, null, k, filter, neighbours) AS p $$;

CREATE FUNCTION {search}.lexical(
    space text, words text, k integer DEFAULT 10, filter jsonb DEFAULT '{{}}', neighbours integer DEFAULT 0
) RETURNS SETOF {search}.passage
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = {corpus}, pg_temp
SET standard_conforming_strings = on
AS $$ SELECT (p).* FROM search_passages(space, null, words, k, filter, neighbours) AS p $$;

CREATE FUNCTION {search}.hybrid(
    space text, embedding vector, words text, k integer DEFAULT 10, filter jsonb DEFAULT '{{}}',
    neighbours integer DEFAULT 0
) RETURNS SETOF {search}.passage
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = {corpus}, pg_temp
SET standard_conforming_strings = on
AS $$ SELECT (p).* FROM search_passages(space, embedding, words, k, filter, neighbours) AS p $$;

-- How a question is answered, for people: what was searched and through which index, how many candidates each leg gave,
-- and what each term weighs. Volatile, since it asks the planner.
CREATE FUNCTION {search}.explain(
    space text, embedding vector, words text, k integer DEFAULT 10, filter jsonb DEFAULT '{{}}'
) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {corpus}, pg_temp
SET standard_conforming_strings = on
AS $$
DECLARE
    plan CONSTANT search_plan := planned_search(checked_space(space, embedding, words, k, 0), filter);
    asked asked_terms;
    near record;
    found record;
    planned jsonb;
    told jsonb := jsonb_build_object('space', space, 'matching', cardinality(matching_texts(plan, 20001)));
BEGIN
    IF embedding IS NOT NULL THEN
        near := nearest(plan, embedding, CASE WHEN words IS NULL THEN k ELSE greatest(k, 100) END, k);
        EXECUTE 'EXPLAIN (FORMAT JSON) ' || nearest_statement(plan, greatest(k, 100)) INTO planned USING embedding;
        told := told || jsonb_build_object('semantic', jsonb_build_object(
            'candidates', coalesce(cardinality(near.text_ids), 0),
            'by', CASE WHEN near.served <> 'exact' AND NOT jsonb_path_exists(planned, 'strict $.**."Index Name"')
                THEN 'exact' ELSE near.served END,
            'index', CASE WHEN near.served <> 'exact' THEN jsonb_path_query_first(planned, 'strict $.**."Index Name"') END
        ));
    END IF;
    IF words IS NOT NULL THEN
        asked := asked_terms(words, plan.audiences);
        found := worded(plan, asked, embedding IS NULL, k);
        told := told || jsonb_build_object('lexical', jsonb_build_object(
            'candidates', coalesce(cardinality(found.text_ids), 0),
            'index', 'texts_by_lexemes',
            'highest', asked.highest,
            'terms', coalesce((
                SELECT jsonb_agg(jsonb_build_object(
                    'term', t.query::text, 'weight', round(t.weight::numeric, 3), 'chunks', t.chunks, 'looked_up', t.nth <= found.used
                ))
                FROM unnest(asked.queries, asked.weights, asked.chunks) WITH ORDINALITY AS t (query, weight, chunks, nth)
            ), '[]')
        ));
    END IF;
    RETURN told;
END
$$;

COMMENT ON FUNCTION {search}.semantic(text, vector, integer, jsonb, integer) IS
'The k published passages nearest to a vector, by cosine distance: k rows whenever k match. space is the name of the
space whose model made the vector (search.spaces); filter as in docs/sql.md; neighbours is how many passages before and
after each one come along. One row a text: copies says in how many places it stands.';
COMMENT ON FUNCTION {search}.lexical(text, text, integer, jsonb, integer) IS
'The k published passages that fit words best, by BM25 over words and, for Japanese, Chinese and Korean, pairs of
characters. Only passages that hold one of the words are given.';
COMMENT ON FUNCTION {search}.hybrid(text, vector, text, integer, jsonb, integer) IS
'Both: candidates of either leg, by the cosine similarity plus 0.11 times the share of the highest BM25 that the words
could reach. embedding and words are of the same question.';

COMMENT ON FUNCTION {search}.explain(text, vector, text, integer, jsonb) IS
'How search.hybrid, or with a null one leg of it, answers: indexes, candidates, and what each term weighs.';

REVOKE ALL ON FUNCTION
{search}.explain(text, vector, text, integer, jsonb), {search}.semantic(text, vector, integer, jsonb, integer),
{search}.lexical(text, text, integer, jsonb, integer),
{search}.hybrid(text, vector, text, integer, jsonb, integer)
FROM public;
GRANT EXECUTE ON FUNCTION
{search}.explain(text, vector, text, integer, jsonb), {search}.semantic(text, vector, integer, jsonb, integer),
{search}.lexical(text, text, integer, jsonb, integer),
{search}.hybrid(text, vector, text, integer, jsonb, integer)
TO {reader}, {pipeline};
