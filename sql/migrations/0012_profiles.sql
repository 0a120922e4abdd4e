-- Purpose: what a language model says of documents, and what its answers cost apart from its questions.

ALTER TABLE costs ADD COLUMN output_tokens bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN costs.output_tokens IS 'Of the tokens, those that a language model answered with.';

CREATE TABLE profiles (
    profile_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    elements_id bigint NOT NULL REFERENCES elements ON DELETE CASCADE,
    recipe_id integer NOT NULL REFERENCES recipes,
    profile jsonb NOT NULL,
    entities integer NOT NULL,
    entities_dropped integer NOT NULL,
    dropped jsonb NOT NULL DEFAULT '{{}}',
    parts integer NOT NULL,
    model text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (elements_id, recipe_id)
);
COMMENT ON TABLE profiles IS
'What an LLM made of a parse under a profile recipe. Goes with its parse, by the same statement, so that nothing of
an erased document is left.';
COMMENT ON COLUMN profiles.entities IS 'How many the model named.';
COMMENT ON COLUMN profiles.entities_dropped IS 'Of these, how many do not occur in the text.';
COMMENT ON COLUMN profiles.dropped IS 'How much else was left out, by kind: quotes not in the text, a wrong language.';
COMMENT ON COLUMN profiles.parts IS 'Into how many parts the text was cut for the model.';
COMMENT ON COLUMN profiles.model IS 'The name under which the model answered.';

CREATE TABLE profile_parts (
    elements_id bigint NOT NULL REFERENCES elements ON DELETE CASCADE,
    recipe_id integer NOT NULL REFERENCES recipes,
    asked bytea NOT NULL CHECK (length(asked) = 32),
    answer jsonb NOT NULL,
    PRIMARY KEY (elements_id, recipe_id, asked)
);
COMMENT ON TABLE profile_parts IS
'Answers that were paid for and are not put together yet, by the digest of what was asked: a refresh that is killed
loses only the requests under way.';

CREATE TABLE profile_failures (
    elements_id bigint NOT NULL REFERENCES elements ON DELETE CASCADE,
    recipe_id integer NOT NULL REFERENCES recipes,
    reason text NOT NULL,
    detail text NOT NULL DEFAULT '',
    attempts integer NOT NULL DEFAULT 1,
    last_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (elements_id, recipe_id)
);
COMMENT ON TABLE profile_failures IS
'Parses without a profile, and why: tried again when the recipe changes or somebody asks. Holds no text.';

CREATE TABLE profile_passes (
    profile_id bigint NOT NULL REFERENCES profiles ON DELETE CASCADE,
    suite_id integer NOT NULL REFERENCES suites,
    PRIMARY KEY (profile_id, suite_id)
);

ALTER TABLE collections
ADD COLUMN profile_recipe_id integer REFERENCES recipes,
ADD COLUMN profile_suite_id integer REFERENCES suites,
ADD COLUMN profile_types jsonb NOT NULL DEFAULT '{{}}';
COMMENT ON COLUMN collections.profile_types IS 'Types of what is in a profile, by name, for filters.';

ALTER TABLE heads ADD COLUMN profile jsonb;
COMMENT ON COLUMN heads.profile IS
'The audited profile of what the head shows: a copy, kept level by the publish and by the profiles stage.';
