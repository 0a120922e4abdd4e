-- Purpose: keep true whether a space holds all that is published, under an index.
-- Parameters: space_id. Index: spaces_pkey; see the function note_ready.
SELECT note_ready(%(space_id)s)
