-- Purpose: give texts of a chunk set back their hashes, where the text itself is what was cut.
-- Parameters: chunk_set_id, and digests and texts of equal length. Index: chunks_pkey, texts_pkey, texts (hash).
UPDATE texts AS t
SET hash = f.hash
FROM unnest(%(digests)s::bytea[], %(texts)s::text[]) AS f (hash, text)
WHERE
    t.text_id IN (
        SELECT k.text_id FROM chunks AS k
        WHERE k.chunk_set_id = %(chunk_set_id)s
    )
    AND t.text = f.text
    AND t.hash <> f.hash
    AND NOT EXISTS (
        SELECT 1 FROM texts AS known
        WHERE known.hash = f.hash
    )
