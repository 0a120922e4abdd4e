-- Purpose: what is expensive, immutable and addressed by content. Nothing here knows a uri.

CREATE TABLE elements (
    elements_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    content_hash bytea NOT NULL,
    format text NOT NULL,
    recipe_id integer NOT NULL REFERENCES recipes,
    title text,
    text text NOT NULL,
    elements jsonb NOT NULL,
    pages integer NOT NULL,
    properties jsonb NOT NULL,
    counters jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (content_hash, format, recipe_id)
);
COMMENT ON TABLE elements IS
'One parse: the document''s text, and its elements as character spans into that text.';

CREATE TABLE texts (
    text_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    text text NOT NULL,
    tokens integer NOT NULL
);
COMMENT ON TABLE texts IS 'The exact strings that are embedded, each stored once.';
COMMENT ON COLUMN texts.tokens IS 'Tokens as counted when the text was cut; an estimate where the tokenizer is one.';

CREATE TABLE chunk_sets (
    chunk_set_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    elements_id bigint NOT NULL REFERENCES elements,
    recipe_id integer NOT NULL REFERENCES recipes,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (elements_id, recipe_id)
);
COMMENT ON TABLE chunk_sets IS 'What one parse became under one chunk recipe.';

CREATE TABLE chunks (
    chunk_set_id bigint NOT NULL REFERENCES chunk_sets ON DELETE CASCADE,
    ordinal integer NOT NULL,
    text_id bigint NOT NULL REFERENCES texts,
    body_start integer NOT NULL,
    span int4range NOT NULL,
    pages integer[] NOT NULL,
    heading_path text[] NOT NULL,
    PRIMARY KEY (chunk_set_id, ordinal)
);
CREATE INDEX chunks_by_text ON chunks (text_id);
COMMENT ON COLUMN chunks.body_start IS
'Characters of the embedded text before the passage itself: its heading path. What is shown starts there.';
COMMENT ON COLUMN chunks.span IS 'Characters of the document''s text that this chunk shows.';

CREATE TABLE text_failures (
    space_id integer NOT NULL REFERENCES spaces,
    text_id bigint NOT NULL REFERENCES texts ON DELETE CASCADE,
    reason text NOT NULL,
    detail text NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (space_id, text_id)
);
COMMENT ON TABLE text_failures IS 'Texts that an endpoint refused. Such a chunk is held back alone.';

CREATE TABLE element_passes (
    elements_id bigint NOT NULL REFERENCES elements ON DELETE CASCADE,
    suite_id integer NOT NULL REFERENCES suites,
    PRIMARY KEY (elements_id, suite_id)
);
CREATE TABLE chunk_set_passes (
    chunk_set_id bigint NOT NULL REFERENCES chunk_sets ON DELETE CASCADE,
    suite_id integer NOT NULL REFERENCES suites,
    PRIMARY KEY (chunk_set_id, suite_id)
);
CREATE TABLE vector_passes (
    text_id bigint NOT NULL REFERENCES texts ON DELETE CASCADE,
    space_id integer NOT NULL REFERENCES spaces,
    suite_id integer NOT NULL REFERENCES suites,
    PRIMARY KEY (text_id, space_id, suite_id)
);
COMMENT ON TABLE vector_passes IS 'Recorded passes. The publish asks for these, not for what a scheduler did.';
