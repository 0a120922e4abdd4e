-- Purpose: a private place for vectors to arrive by binary COPY before they are merged.
-- Parameters: none; identifier: vectors.
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_vectors (LIKE {vectors}) ON COMMIT DELETE ROWS
