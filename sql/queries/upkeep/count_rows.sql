-- Purpose: the rows of the tables that grow with documents.
-- Parameters: none. Index: none; a scan of each.
SELECT
    (SELECT count(*) FROM publish_changes) AS publish_changes,
    (SELECT count(*) FROM chunk_sets) AS chunk_sets,
    (SELECT count(*) FROM chunks) AS chunks,
    (SELECT count(*) FROM elements) AS elements,
    (SELECT count(*) FROM texts) AS texts,
    (SELECT count(*) FROM documents) AS documents
