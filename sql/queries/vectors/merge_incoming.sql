-- Purpose: keep what arrived; a vector that another refresh stored meanwhile stays as it is.
-- Parameters: none; identifiers: vectors, incoming. Index: the vectors' primary key.
INSERT INTO {vectors} (text_id, embedding, digest)
SELECT
    text_id,
    embedding,
    vector_digest(embedding)
FROM {incoming}
ORDER BY text_id
ON CONFLICT (text_id) DO NOTHING
