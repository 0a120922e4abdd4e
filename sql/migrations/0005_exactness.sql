-- Purpose: what keeps the table exact: who is paying for a text now, what was paid, how fast an endpoint may be
-- asked, what a person confirmed, erased, pinned or had mended, and digests by which an alteration is noticed.

CREATE TABLE claims (
    space_id integer NOT NULL REFERENCES spaces,
    text_id bigint NOT NULL REFERENCES texts ON DELETE CASCADE,
    collection_id integer NOT NULL REFERENCES collections,
    token bigint NOT NULL,
    PRIMARY KEY (space_id, text_id)
);
CREATE INDEX claims_by_collection ON claims (collection_id);
CREATE INDEX claims_by_text ON claims (text_id);
COMMENT ON TABLE claims IS
'Texts that a refresh is having embedded, so that no other sends them too. A claim holds while its collection''s lease
is held under this token: a dead holder''s claims end with its lease.';

CREATE TABLE wanted_texts (
    collection_id integer NOT NULL REFERENCES collections,
    text_id bigint NOT NULL REFERENCES texts ON DELETE CASCADE,
    PRIMARY KEY (collection_id, text_id)
);
CREATE INDEX wanted_texts_by_text ON wanted_texts (text_id);
COMMENT ON TABLE wanted_texts IS
'Texts of published documents that want a vector again: lost, altered, or refused and to be tried once more.';

CREATE TABLE postponed (
    document_id bigint PRIMARY KEY REFERENCES documents ON DELETE CASCADE,
    collection_id integer NOT NULL REFERENCES collections,
    texts integer NOT NULL
);
CREATE INDEX postponed_by_collection ON postponed (collection_id);
COMMENT ON TABLE postponed IS
'Documents that wait because a budget did not reach for all their texts, where the others are published meanwhile.';

CREATE TABLE costs (
    collection text NOT NULL,
    run_id text NOT NULL,
    stage text NOT NULL,
    model text NOT NULL,
    endpoint text NOT NULL,
    hour timestamptz NOT NULL,
    requests bigint NOT NULL DEFAULT 0,
    inputs bigint NOT NULL DEFAULT 0,
    tokens bigint NOT NULL DEFAULT 0,
    cost numeric,
    currency text,
    PRIMARY KEY (collection, run_id, stage, model, endpoint, hour)
);
CREATE INDEX costs_by_hour ON costs (collection, hour);
COMMENT ON TABLE costs IS
'What endpoints were asked and what it cost, by run, collection, stage, model and hour. Outlives the collection.';
COMMENT ON COLUMN costs.cost IS 'Null where the price of the model is not declared.';

CREATE TABLE rate_limits (
    endpoint text PRIMARY KEY,
    blocked_until timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE TABLE rate_usage (
    endpoint text NOT NULL REFERENCES rate_limits ON DELETE CASCADE,
    second timestamptz NOT NULL,
    requests integer NOT NULL,
    tokens bigint NOT NULL,
    PRIMARY KEY (endpoint, second)
);
COMMENT ON TABLE rate_limits IS 'Until when each endpoint asked everybody to wait; its row is the limiter''s lock.';
COMMENT ON TABLE rate_usage IS 'What all processes together sent to an endpoint, by second, for the last minute.';

CREATE TABLE confirmations (
    confirmation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id integer NOT NULL REFERENCES collections,
    kind text NOT NULL CHECK (kind IN ('deletions', 'growth', 'quality')),
    run_id text NOT NULL,
    given_by text NOT NULL,
    seen jsonb NOT NULL DEFAULT '{{}}',
    given_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE confirmations IS 'Guards that a person overruled for one refresh: who, when, and what was seen.';

CREATE TABLE erasures (
    erasure_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection text NOT NULL,
    uri_hash bytea NOT NULL CHECK (length(uri_hash) = 32),
    content_hash bytea CHECK (length(content_hash) = 32),
    erased_by text NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    removed jsonb NOT NULL DEFAULT '{{}}'
);
CREATE INDEX erasures_by_uri ON erasures (collection, uri_hash);
CREATE INDEX erasures_by_content ON erasures (collection, content_hash);
COMMENT ON TABLE erasures IS
'Marks of erased documents, as digests of uri and bytes alone: they keep the document out, and hold none of its text.';

CREATE TABLE verifications (
    verification_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection text,
    run_id text NOT NULL,
    repaired boolean NOT NULL,
    findings jsonb NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE verifications IS 'What each comparison of ledger, chunks, vectors and index found, and mended.';

CREATE TABLE sweeps (
    sweep_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL,
    removed jsonb NOT NULL,
    bytes_before bigint NOT NULL,
    bytes_after bigint NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE sweeps IS 'What each garbage collection removed.';

ALTER TABLE collections
ADD COLUMN pinned_to integer,
ADD COLUMN pinned_by text;
COMMENT ON COLUMN collections.pinned_to IS
'The publish that a rollback went back to: refreshes prepare, and publish nothing until it is null again.';

ALTER TABLE publishes
ADD COLUMN kind text NOT NULL DEFAULT 'refresh' CHECK (kind IN ('refresh', 'rollback')),
ADD COLUMN restores integer,
ADD COLUMN collected_at timestamptz;
CREATE INDEX publishes_by_refresh ON publishes (refresh_id);
COMMENT ON COLUMN publishes.restores IS 'The publish whose state a rollback brought back.';
COMMENT ON COLUMN publishes.collected_at IS 'Since when the state of this publish cannot be brought back any more.';

ALTER TABLE chunk_sets
ADD COLUMN digest bytea;
COMMENT ON COLUMN chunk_sets.digest IS
'Of all its chunks as they were written; null for sets made before there were digests.';

ALTER TABLE elements
ADD COLUMN size bigint;
UPDATE elements AS e
SET size = d.size
FROM documents AS d
WHERE e.content_hash = d.content_hash;
COMMENT ON COLUMN elements.size IS 'Bytes of the file, for readers: the row in documents may be of a newer version.';

ALTER TABLE spaces
ADD COLUMN retired bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN spaces.retired IS 'Vectors removed since the index was built: its graph still leads through them.';

DO $$
DECLARE
    space text;
BEGIN
    FOR space IN SELECT s.name FROM spaces AS s LOOP
        EXECUTE format('ALTER TABLE %I ADD COLUMN IF NOT EXISTS digest bytea', 'vectors_' || space);
    END LOOP;
END
$$;
