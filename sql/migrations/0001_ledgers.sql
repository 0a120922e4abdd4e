-- Purpose: what the pipeline remembers about collections, its own recipes, runs and documents.
-- Everything here is private; readers see the schema for search alone.

CREATE TABLE recipes (
    recipe_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stage text NOT NULL,
    declared text NOT NULL,
    versions text NOT NULL,
    details jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (stage, declared, versions)
);
COMMENT ON TABLE recipes IS
'Everything that decides a stage''s output: what the user declared, and the versions that applied it.';

CREATE TABLE suites (
    suite_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stage text NOT NULL,
    digest text NOT NULL,
    details jsonb NOT NULL,
    UNIQUE (stage, digest)
);
COMMENT ON TABLE suites IS 'Audit suites, so that a recorded pass says which rules were met.';

CREATE TABLE spaces (
    space_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{{0,39}}$'),
    model text NOT NULL,
    query_model text NOT NULL,
    served_model text NOT NULL,
    dimensions integer NOT NULL CHECK (dimensions BETWEEN 1 AND 4000),
    storage text NOT NULL CHECK (storage IN ('vector', 'halfvec')),
    passage_prefix text NOT NULL,
    query_prefix text NOT NULL,
    normalised boolean NOT NULL,
    token_limit integer NOT NULL,
    tokenizer text NOT NULL,
    max_inputs integer NOT NULL,
    live boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX one_live_space ON spaces (live) WHERE live;
COMMENT ON TABLE spaces IS 'Vector spaces: a model, its dimensions, prefixes, normalisation and token limit.';

CREATE TABLE collections (
    collection_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9_]{{1,60}}$'),
    parse_recipe_id integer REFERENCES recipes,
    chunk_recipe_id integer REFERENCES recipes,
    rebuild_after timestamptz NOT NULL DEFAULT '-infinity',
    converged text,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN collections.converged IS
'Digest of the settings under which nothing was left to do; null as soon as the source changed.';

CREATE TABLE leases (
    collection_id integer PRIMARY KEY REFERENCES collections,
    holder text NOT NULL,
    token bigint NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE leases IS 'Who may write for a collection; the token fences off a holder that was thought dead.';

CREATE TABLE refreshes (
    refresh_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id integer NOT NULL REFERENCES collections,
    run_id text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    outcome text,
    stages jsonb NOT NULL DEFAULT '{{}}',
    UNIQUE (collection_id, run_id)
);
COMMENT ON TABLE refreshes IS 'A line a refresh: what each stage did, and how it ended.';

CREATE TABLE documents (
    document_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id integer NOT NULL REFERENCES collections,
    uri text COLLATE "C" NOT NULL,
    stamp text NOT NULL,
    settled boolean NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    content_hash bytea NOT NULL CHECK (length(content_hash) = 32),
    format text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{{}}',
    found_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    vanished_at timestamptz,
    UNIQUE (collection_id, uri)
);
CREATE INDEX documents_by_content ON documents (content_hash);
COMMENT ON TABLE documents IS 'What the source holds, as last seen. What readers see is in heads.';
COMMENT ON COLUMN documents.settled IS
'Whether the stamp can be trusted: false when the file was too young at hashing time to tell two edits apart.';

CREATE TABLE quarantine (
    document_id bigint NOT NULL REFERENCES documents ON DELETE CASCADE,
    stage text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    content_hash bytea NOT NULL,
    recipe_id integer NOT NULL REFERENCES recipes,
    attempts integer NOT NULL DEFAULT 1,
    retry boolean NOT NULL DEFAULT false,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (document_id, stage)
);
COMMENT ON TABLE quarantine IS
'Documents held back. A row counts while it names the document''s bytes and the recipe in force, and nobody asked
to try again; it never holds any text.';
