-- Purpose: a rollback whose flip moves heads and nothing else, so that readers are back within a second.

ALTER TABLE publishes ADD COLUMN written_down boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN publishes.written_down IS
'Whether publish_changes holds what it moved. A rollback moves heads first and writes it down afterwards, from what the
ledger holds of the publish that it restores; whoever holds the collection next does it if the rollback was cut off.';
CREATE UNIQUE INDEX publishes_not_written_down ON publishes (collection_id) WHERE NOT written_down;

-- Checked a row, these were a third of a flip. Heads are a copy of the newest rows of publish_changes, which keep both
-- references: what a head names can be removed only after the row in the ledger that it was copied from.
ALTER TABLE heads DROP CONSTRAINT heads_chunk_set_id_fkey;
ALTER TABLE heads DROP CONSTRAINT heads_publish_id_fkey;

-- Two indexes less to keep when a head moves: an audience belongs to one collection, as a uri does, and Postgres 18
-- skips from collection to collection where only the second column is asked for.
DROP INDEX heads_by_audience;
DROP INDEX heads_by_collection_id;
CREATE INDEX heads_by_collection_id ON heads (collection_id, audience_id);
DROP INDEX heads_by_collection;
DROP INDEX heads_by_uri;
CREATE INDEX heads_by_uri ON heads (collection, uri);
