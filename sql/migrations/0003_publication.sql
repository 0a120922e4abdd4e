-- Purpose: what readers see. A publish moves heads and writes down what it moved.

CREATE TABLE publishes (
    publish_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id integer NOT NULL REFERENCES collections,
    number integer NOT NULL,
    refresh_id bigint REFERENCES refreshes,
    run_id text NOT NULL,
    counts jsonb NOT NULL DEFAULT '{{}}',
    published_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (collection_id, number)
);

CREATE TABLE publish_changes (
    publish_id bigint NOT NULL REFERENCES publishes,
    document_id bigint NOT NULL REFERENCES documents,
    chunk_set_id bigint REFERENCES chunk_sets,
    link text,
    title text,
    metadata jsonb,
    PRIMARY KEY (document_id, publish_id)
);
CREATE INDEX publish_changes_by_publish ON publish_changes (publish_id);
CREATE INDEX publish_changes_by_chunk_set ON publish_changes (chunk_set_id);
COMMENT ON TABLE publish_changes IS
'The head that each publish gave a document; a null chunk set says that it took the document away.';

CREATE TABLE heads (
    document_id bigint PRIMARY KEY REFERENCES documents,
    collection_id integer NOT NULL REFERENCES collections,
    collection text NOT NULL,
    chunk_set_id bigint NOT NULL REFERENCES chunk_sets,
    uri text COLLATE "C" NOT NULL,
    link text,
    title text,
    metadata jsonb NOT NULL,
    publish_id bigint NOT NULL REFERENCES publishes
);
CREATE INDEX heads_by_chunk_set ON heads (chunk_set_id);
CREATE INDEX heads_by_collection ON heads (collection);
CREATE INDEX heads_by_collection_id ON heads (collection_id);
COMMENT ON TABLE heads IS 'Which chunk set each document shows: the pointer that a publish flips.';

CREATE TABLE gate_verdicts (
    verdict_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id integer NOT NULL REFERENCES collections,
    run_id text NOT NULL,
    passed boolean NOT NULL,
    findings jsonb NOT NULL,
    given_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE gate_verdicts IS 'What the gate decided before each publish, kept also when the publish was refused.';
