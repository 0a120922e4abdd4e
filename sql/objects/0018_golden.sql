-- Purpose: judging golden questions, by the functions that readers search with, under the identity of whoever calls:
-- the pipeline, which sees all.

-- Text as it is compared: without blanks, width and case, so that a line break in a PDF parts no answer.
CREATE OR REPLACE FUNCTION squeezed(written text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT regexp_replace(lower(normalize(written, NFKC)), '\s+', '', 'g') $$;

-- The measures of one question, from the rank of the first passage that gives each answer (null for none).
-- An answer counts where it is first found. The passages become a list in which each newly found answer is an item of
-- its own, and each passage that gives nothing new is one too; recall@k is the share of answers among the first k
-- items; nDCG@k adds 1/log2(1 + position) for each and divides by what the best list would have (Jarvelin and
-- Kekalainen 2002, as trec_eval computes ndcg_cut); the reciprocal rank is that of the first.
CREATE OR REPLACE FUNCTION golden_measures(
    ranks integer[], k integer, OUT recall double precision, OUT ndcg double precision,
    OUT reciprocal_rank double precision
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT
    count(p.nth)::double precision / nullif(cardinality(golden_measures.ranks), 0),
    coalesce(sum(1 / ln(p.nth::double precision + 1)), 0) / (
        SELECT sum(1 / ln(i.nth::double precision + 1))
        FROM generate_series(1, least(golden_measures.k, cardinality(golden_measures.ranks))) AS i (nth)
    ),
    coalesce(1 / min(p.nth)::double precision, 0)
FROM (
    SELECT
        u.rank - dense_rank() OVER (ORDER BY u.rank) + row_number() OVER (ORDER BY u.rank, u.nth) AS nth
    FROM unnest(golden_measures.ranks) WITH ORDINALITY AS u (rank, nth)
    WHERE u.rank IS NOT NULL
) AS p
WHERE p.nth <= golden_measures.k
$$;

-- Ask golden questions of one leg; for each answer the rank of the first passage that gives it, and whether readers see
-- its document at all. A question without a vector is asked of the lexical leg only. A passage that several documents
-- hold is one row of a search and answers for each of them.
-- Index: golden_vectors_pkey, heads_by_uri, chunks_pkey, and those of the search.
DROP FUNCTION IF EXISTS judged_questions(text, text, text, integer, jsonb);
CREATE FUNCTION judged_questions(space text, collection text, leg text, k integer, questions jsonb)
RETURNS TABLE (question_key bytea, label text, ranks integer[], present boolean[])
LANGUAGE sql STABLE
AS $$
WITH asked AS MATERIALIZED (
    SELECT
        decode(q.key, 'hex') AS question_key,
        q.label,
        q.words,
        q.filter || jsonb_build_object('collection', judged_questions.collection) AS filter,
        q.answers,
        v.embedding
    FROM jsonb_to_recordset(judged_questions.questions)
        AS q (key text, hash text, label text, words text, filter jsonb, answers jsonb)
    LEFT JOIN spaces AS s ON s.name = judged_questions.space
    LEFT JOIN golden_vectors AS v ON v.space_id = s.space_id AND v.question_hash = decode(q.hash, 'hex')
    WHERE judged_questions.leg = 'lexical' OR v.embedding IS NOT NULL
),

found AS MATERIALIZED (
    SELECT
        a.question_key,
        p.rank,
        p.text_id,
        squeezed(p.text) AS text
    FROM asked AS a
    CROSS JOIN LATERAL (
        SELECT s.rank, s.text_id, s.text
        FROM {search}.semantic(judged_questions.space, a.embedding, judged_questions.k, a.filter) AS s
        WHERE judged_questions.leg = 'semantic'
        UNION ALL
        SELECT s.rank, s.text_id, s.text
        FROM {search}.lexical(judged_questions.space, a.words, judged_questions.k, a.filter) AS s
        WHERE judged_questions.leg = 'lexical'
        UNION ALL
        SELECT s.rank, s.text_id, s.text
        FROM {search}.hybrid(judged_questions.space, a.embedding, a.words, judged_questions.k, a.filter) AS s
        WHERE judged_questions.leg = 'hybrid'
    ) AS p
),

wanted AS MATERIALIZED (
    SELECT
        a.question_key,
        w.nth,
        squeezed(w.answer ->> 'text') AS text,
        h.chunk_set_id
    FROM asked AS a
    CROSS JOIN LATERAL jsonb_array_elements(a.answers) WITH ORDINALITY AS w (answer, nth)
    LEFT JOIN heads AS h ON h.uri = w.answer ->> 'uri' AND h.collection = judged_questions.collection
),

hits AS (
    SELECT
        w.question_key,
        w.nth,
        min(f.rank) AS rank
    FROM wanted AS w
    INNER JOIN found AS f ON w.question_key = f.question_key
    INNER JOIN chunks AS k ON w.chunk_set_id = k.chunk_set_id AND f.text_id = k.text_id
    WHERE w.text IS NULL OR position(w.text IN f.text) > 0
    GROUP BY w.question_key, w.nth
)

SELECT
    a.question_key,
    a.label,
    array_agg(h.rank ORDER BY w.nth),
    array_agg(w.chunk_set_id IS NOT NULL ORDER BY w.nth)
FROM asked AS a
INNER JOIN wanted AS w ON a.question_key = w.question_key
LEFT JOIN hits AS h ON w.question_key = h.question_key AND w.nth = h.nth
GROUP BY a.question_key, a.label
$$;

REVOKE ALL ON FUNCTION judged_questions(text, text, text, integer, jsonb) FROM public;
GRANT EXECUTE ON FUNCTION judged_questions(text, text, text, integer, jsonb) TO {pipeline};
GRANT EXECUTE ON FUNCTION squeezed(text), golden_measures(integer[], integer) TO {pipeline};

DROP VIEW IF EXISTS {search}.retrieval_quality;
CREATE VIEW {search}.retrieval_quality AS
SELECT
    c.name AS collection,
    p.number AS publish,
    p.published_at,
    q.space,
    q.leg,
    q.k,
    q.recall,
    q.mrr,
    q.ndcg,
    q.questions,
    q.left_out,
    q.run_id,
    q.measured_at
FROM retrieval_quality AS q
INNER JOIN publishes AS p ON q.publish_id = p.publish_id
INNER JOIN collections AS c ON p.collection_id = c.collection_id;
COMMENT ON VIEW {search}.retrieval_quality IS
'How well the golden questions of each collection find their answers, by publish, space and leg. For operators: figures
are over all documents, whoever may read them.';

DROP VIEW IF EXISTS {search}.index_health;
CREATE VIEW {search}.index_health AS
SELECT
    c.name AS collection,
    p.number AS publish,
    i.space,
    i.vectors,
    i.retired,
    i.bytes,
    i.valid,
    i.recall,
    i.sample,
    i.planned,
    i.rebuild_due,
    i.run_id,
    i.measured_at
FROM index_health AS i
INNER JOIN publishes AS p ON i.publish_id = p.publish_id
INNER JOIN collections AS c ON p.collection_id = c.collection_id;
COMMENT ON VIEW {search}.index_health IS 'How the vector index was found after each publish. For operators.';

GRANT SELECT ON retrieval_quality, index_health TO {view};
ALTER VIEW {search}.retrieval_quality OWNER TO {view};
ALTER VIEW {search}.index_health OWNER TO {view};
GRANT SELECT ON {search}.retrieval_quality, {search}.index_health TO {pipeline};
