-- Purpose: what searching needs: who may read a document, which terms a text holds, and how frequent each term is among
-- what is published.

CREATE TABLE audiences (
    audience_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id integer NOT NULL REFERENCES collections ON DELETE CASCADE,
    place integer NOT NULL,
    pattern text,
    contains jsonb,
    readers text[],
    UNIQUE (collection_id, place)
);
COMMENT ON TABLE audiences IS
'Who may read the documents of a collection: a row a declared rule, in order, and last one for all other documents. What
is counted for scores is counted by audience, so that no score tells of a document that its reader may not see.';
COMMENT ON COLUMN audiences.place IS 'The first rule in this order that fits a document decides.';
COMMENT ON COLUMN audiences.pattern IS 'Regular expression that the uri matches; null for any.';
COMMENT ON COLUMN audiences.contains IS 'What the metadata contains; null for any.';
COMMENT ON COLUMN audiences.readers IS 'Database roles; null for every reader.';

ALTER TABLE collections
ADD COLUMN readers_digest text,
ADD COLUMN metadata_types jsonb NOT NULL DEFAULT '{{}}',
ADD COLUMN terms_counted_at bigint;
COMMENT ON COLUMN collections.readers_digest IS 'Of the declared rules that its audiences were made from.';
COMMENT ON COLUMN collections.metadata_types IS 'Types of the declared metadata fields, by name, for filters.';
COMMENT ON COLUMN collections.terms_counted_at IS
'The publish at which term_counts was last right; another one than the newest means that it has to be counted anew.';

INSERT INTO audiences (collection_id, place)
SELECT
    c.collection_id,
    32767
FROM collections AS c;

ALTER TABLE heads ADD COLUMN audience_id integer REFERENCES audiences;
UPDATE heads AS h
SET audience_id = a.audience_id
FROM audiences AS a
WHERE h.collection_id = a.collection_id;
ALTER TABLE heads ALTER COLUMN audience_id SET NOT NULL;
CREATE INDEX heads_by_audience ON heads (audience_id);
CREATE INDEX heads_by_uri ON heads (uri);

ALTER TABLE texts
ADD COLUMN lexemes tsvector,
ADD COLUMN terms integer,
ADD COLUMN lexer integer NOT NULL DEFAULT 0;
CREATE INDEX texts_by_lexemes ON texts USING gin (lexemes);
ALTER TABLE texts SET (toast_tuple_target = 8160);
-- No statistics of words and passages: nothing is planned by them, they are slow to gather, and they would keep samples
-- of what was erased.
ALTER TABLE texts ALTER COLUMN lexemes SET STATISTICS 0;
ALTER TABLE texts ALTER COLUMN text SET STATISTICS 0;
COMMENT ON COLUMN texts.lexemes IS 'The terms of the text, with as many positions as it holds each of them.';
COMMENT ON COLUMN texts.terms IS 'How many terms it holds, repeated ones counted.';
COMMENT ON COLUMN texts.lexer IS 'Version of the function that made lexemes.';

CREATE TABLE term_counts (
    audience_id integer NOT NULL REFERENCES audiences ON DELETE CASCADE,
    term text COLLATE "C" NOT NULL,
    chunks integer NOT NULL,
    PRIMARY KEY (term, audience_id)
);
ALTER TABLE term_counts ALTER COLUMN term SET STATISTICS 0;
CREATE INDEX term_counts_by_audience ON term_counts (audience_id);
COMMENT ON TABLE term_counts IS 'In how many published chunks of an audience each term occurs.';

CREATE TABLE audience_sizes (
    audience_id integer PRIMARY KEY REFERENCES audiences ON DELETE CASCADE,
    chunks bigint NOT NULL,
    terms bigint NOT NULL
);
COMMENT ON TABLE audience_sizes IS 'How many chunks of an audience are published, and how many terms these hold.';
