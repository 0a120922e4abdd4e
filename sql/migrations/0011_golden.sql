-- Purpose: golden questions: their vectors, how each one fared at the newest publish, and the figures of every publish;
-- how healthy the vector index was found.

CREATE TABLE golden_vectors (
    space_id integer NOT NULL REFERENCES spaces ON DELETE CASCADE,
    question_hash bytea NOT NULL CHECK (length(question_hash) = 32),
    embedding {extension}.vector NOT NULL,
    embedded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (space_id, question_hash)
);
COMMENT ON TABLE golden_vectors IS
'Vectors of golden questions, made before they are needed: nothing waits for an endpoint inside a publish.';

CREATE TABLE golden_figures (
    publish_id bigint NOT NULL REFERENCES publishes ON DELETE CASCADE,
    space_id integer NOT NULL REFERENCES spaces ON DELETE CASCADE,
    question_key bytea NOT NULL CHECK (length(question_key) = 32),
    label text NOT NULL,
    ranks integer[] NOT NULL,
    present boolean[] NOT NULL,
    recall double precision NOT NULL,
    ndcg double precision NOT NULL,
    reciprocal_rank double precision NOT NULL,
    PRIMARY KEY (publish_id, space_id, question_key)
);
COMMENT ON TABLE golden_figures IS
'How each golden question fares with what readers see: of the newest publish of each collection only.';
COMMENT ON COLUMN golden_figures.question_key IS
'Digest of the question, its filter, its answers, k and what searches: only figures of one key are compared.';
COMMENT ON COLUMN golden_figures.ranks IS 'For each answer the rank of the first passage that gives it; null for none.';
COMMENT ON COLUMN golden_figures.present IS 'For each answer whether readers see its document.';

CREATE TABLE retrieval_quality (
    publish_id bigint NOT NULL REFERENCES publishes ON DELETE CASCADE,
    space text NOT NULL,
    leg text NOT NULL CHECK (leg IN ('semantic', 'lexical', 'hybrid')),
    digest text NOT NULL,
    run_id text NOT NULL,
    k integer NOT NULL,
    questions integer NOT NULL,
    left_out integer NOT NULL,
    recall double precision NOT NULL,
    mrr double precision NOT NULL,
    ndcg double precision NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (publish_id, space, leg)
);
COMMENT ON TABLE retrieval_quality IS 'Means over the golden questions of a collection, by publish, space and leg.';
COMMENT ON COLUMN retrieval_quality.digest IS 'Of the questions and of what searches: another one is measured anew.';

CREATE TABLE index_health (
    publish_id bigint NOT NULL REFERENCES publishes ON DELETE CASCADE,
    space text NOT NULL,
    state text NOT NULL,
    run_id text NOT NULL,
    vectors bigint NOT NULL,
    retired bigint NOT NULL,
    bytes bigint,
    valid boolean NOT NULL,
    sample integer NOT NULL,
    recall double precision,
    planned boolean NOT NULL,
    rebuild_due boolean NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (publish_id, space)
);
COMMENT ON TABLE index_health IS 'How the vector index of a space was found after a publish.';
COMMENT ON COLUMN index_health.state IS 'Of the index and of what was removed since: another one is measured anew.';
COMMENT ON COLUMN index_health.recall IS
'Share of the ten nearest vectors by exact search that the index gives too, over a sample of published vectors.';
COMMENT ON COLUMN index_health.planned IS 'Whether the planner uses the index for SELECT ... ORDER BY ... LIMIT 10.';

ALTER TABLE gate_verdicts
ADD COLUMN figures jsonb;
COMMENT ON COLUMN gate_verdicts.figures IS
'How the golden questions fared before and after, which of them broke, and how many were left out.';

ALTER TABLE confirmations
ADD COLUMN because text NOT NULL DEFAULT '';
COMMENT ON COLUMN confirmations.because IS 'Why, in the words of whoever overruled the guard.';
