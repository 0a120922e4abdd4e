-- Purpose: how often a text was refused before somebody asked to try it again, so that attempts count on.

CREATE TABLE retried_texts (
    space_id integer NOT NULL REFERENCES spaces,
    text_id bigint NOT NULL REFERENCES texts ON DELETE CASCADE,
    attempts integer NOT NULL,
    first_seen timestamptz NOT NULL,
    PRIMARY KEY (space_id, text_id)
);
CREATE INDEX retried_texts_by_text ON retried_texts (text_id);
COMMENT ON TABLE retried_texts IS
'Texts whose refusal was forgotten because a person asked to try again: how often they were refused, and since when.';
