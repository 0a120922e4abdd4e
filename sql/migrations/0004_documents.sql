-- Purpose: what is known of a document beyond its bytes and its text: the file it came in, its language,
-- what was declared of it; and what a chunk needs to be read by itself.

ALTER TABLE documents
ADD COLUMN parent_id bigint REFERENCES documents,
ADD COLUMN part text NOT NULL DEFAULT '',
ADD COLUMN root_uri text,
ADD COLUMN parts text[] NOT NULL DEFAULT '{{}}',
ADD COLUMN declared jsonb NOT NULL DEFAULT '{{}}',
ADD COLUMN declared_stamp text NOT NULL DEFAULT '',
ADD COLUMN described_for text NOT NULL DEFAULT '',
ADD COLUMN metadata_problems text[] NOT NULL DEFAULT '{{}}';
CREATE INDEX documents_by_parent ON documents (parent_id) WHERE parent_id IS NOT null;
COMMENT ON COLUMN documents.parent_id IS 'The mail that this document is attached to.';
COMMENT ON COLUMN documents.part IS 'Where an attachment is in its parent.';
COMMENT ON COLUMN documents.root_uri IS
'The listed file around an attachment; null for a document that its source lists itself.';
COMMENT ON COLUMN documents.parts IS 'Where an attachment is in that file, outermost first.';
COMMENT ON COLUMN documents.declared IS
'What path, source, manifest and sidecar say of the document, by where it was found, as written there.';
COMMENT ON COLUMN documents.declared_stamp IS
'Digest of what declared was gathered from: another one means that it is gathered again, without reading the document.';
COMMENT ON COLUMN documents.described_for IS
'Digest of what metadata was made from: declared, the parse, and the declared fields.';
COMMENT ON COLUMN documents.metadata_problems IS 'Fields whose value did not have the declared type, and are missing.';

ALTER TABLE elements
ADD COLUMN language text,
ADD COLUMN attachments jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN elements.language IS 'ISO 639-1 code of the text; und where nothing can be told.';
COMMENT ON COLUMN elements.attachments IS 'Files inside the file: part, name, digest, format, size.';

ALTER TABLE chunks
ADD COLUMN lead integer NOT NULL DEFAULT 0 CHECK (lead >= 0),
ADD COLUMN html text,
ADD COLUMN flags text[] NOT NULL DEFAULT '{{}}';
COMMENT ON COLUMN chunks.lead IS
'Characters at the start of what is shown that repeat an earlier place: the header row of a table, the sentence that
leads into a list. What follows them is the document''s text at span.';
COMMENT ON COLUMN chunks.html IS 'The rows of a table in this chunk, with its header, as HTML.';
COMMENT ON COLUMN chunks.flags IS
'What a reader may want to leave out: near_empty, boilerplate, hidden.';

CREATE INDEX heads_by_metadata ON heads USING gin (metadata jsonb_path_ops);
