-- Purpose: several spaces side by side: which collections are complete in which space, what each publish was shown in,
-- whose tokens a collection was cut by, and the spaces that were dropped.

ALTER TABLE spaces
ADD COLUMN ready boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN spaces.ready IS
'Whether every published collection is complete in it and its index is whole. Kept true by what changes it.';
UPDATE spaces SET ready = live AND to_regclass(format('%I', 'vectors_' || name || '_hnsw')) IS NOT null;

CREATE TABLE space_fills (
    collection_id integer NOT NULL REFERENCES collections ON DELETE CASCADE,
    space_id integer NOT NULL REFERENCES spaces ON DELETE CASCADE,
    filled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (collection_id, space_id)
);
COMMENT ON TABLE space_fills IS
'Collections that are complete in a space: each published text has an audited vector there, or a recorded refusal. From
then on every publish keeps it so.';
INSERT INTO space_fills (collection_id, space_id)
SELECT
    c.collection_id,
    s.space_id
FROM collections AS c
CROSS JOIN spaces AS s
WHERE s.live;

ALTER TABLE wanted_texts
ADD COLUMN space_id integer REFERENCES spaces ON DELETE CASCADE;
UPDATE wanted_texts SET space_id = (
    SELECT s.space_id FROM spaces AS s
    WHERE s.live
);
ALTER TABLE wanted_texts
DROP CONSTRAINT wanted_texts_pkey,
ALTER COLUMN space_id SET NOT NULL,
ADD PRIMARY KEY (collection_id, space_id, text_id);
COMMENT ON COLUMN wanted_texts.space_id IS 'Where the vector is wanted.';

ALTER TABLE collections
ADD COLUMN tokenizer text;
COMMENT ON COLUMN collections.tokenizer IS
'Whose tokens its documents are cut by since another space was promoted; null for the live space''s own. A promotion
alone would otherwise cut and embed everything again.';

ALTER TABLE publishes
ADD COLUMN space text;
COMMENT ON COLUMN publishes.space IS 'The live space at that moment; it may have been dropped since.';
UPDATE publishes SET space = (
    SELECT s.name FROM spaces AS s
    WHERE s.live
);

CREATE TABLE dropped_spaces (
    drop_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    model text NOT NULL,
    dimensions integer NOT NULL,
    run_id text NOT NULL,
    dropped_by text NOT NULL,
    removed jsonb NOT NULL,
    dropped_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE dropped_spaces IS 'Spaces that a person dropped: who, when, and how many rows of what.';
