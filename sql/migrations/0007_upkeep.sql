-- Purpose: what garbage collection and dropping need beside the ledgers: a way to find the refusals of a text, and a
-- line a dropped collection.

CREATE INDEX text_failures_by_text ON text_failures (text_id);

CREATE TABLE drops (
    drop_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection text NOT NULL,
    run_id text NOT NULL,
    dropped_by text NOT NULL,
    removed jsonb NOT NULL,
    dropped_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE drops IS 'Collections that a person took out of the table: who, when, and how many rows of what.';
