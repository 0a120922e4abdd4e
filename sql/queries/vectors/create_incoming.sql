-- Purpose: a private place for vectors to arrive by binary COPY before they are merged.
-- Parameters: none; identifiers: vectors, incoming.
CREATE TEMPORARY TABLE IF NOT EXISTS {incoming} (LIKE {vectors}) ON COMMIT DELETE ROWS
