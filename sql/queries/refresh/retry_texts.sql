-- Purpose: let chunks whose text an endpoint refused be sent again, because a person asked; returns how many that are.
-- Attempts count on. Where documents are published, in whichever collection, the text is noted as wanted: it is no
-- candidate's, and has no refusal any more that explains why it has no vector.
-- Parameters: collection_id; uri, stage, reason: null for any. Index: text_failures_pkey, chunks_by_text.
WITH chosen AS (
    SELECT
        b.text_id,
        b.space_id
    FROM held_back AS b
    INNER JOIN documents AS d ON b.document_id = d.document_id
    WHERE
        b.kind = 'chunk'
        AND b.collection_id = %(collection_id)s
        AND (%(uri)s::text IS null OR d.uri = %(uri)s)
        AND (%(stage)s::text IS null OR b.stage = %(stage)s)
        AND (%(reason)s::text IS null OR b.reason = %(reason)s)
),

forgotten AS (
    DELETE FROM text_failures AS f
    USING chosen AS c
    WHERE f.space_id = c.space_id AND f.text_id = c.text_id
    RETURNING
        f.space_id,
        f.text_id,
        f.attempts,
        f.first_seen
),

counted AS (
    INSERT INTO retried_texts AS r (space_id, text_id, attempts, first_seen)
    SELECT
        f.space_id,
        f.text_id,
        f.attempts,
        f.first_seen
    FROM forgotten AS f
    ON CONFLICT (space_id, text_id) DO UPDATE SET attempts = r.attempts + excluded.attempts
),

wanted AS (
    INSERT INTO wanted_texts (collection_id, space_id, text_id)
    SELECT DISTINCT
        h.collection_id,
        f.space_id,
        f.text_id
    FROM forgotten AS f
    INNER JOIN chunks AS k ON f.text_id = k.text_id
    INNER JOIN heads AS h ON k.chunk_set_id = h.chunk_set_id
    ON CONFLICT DO NOTHING
)

SELECT count(*) AS marked FROM chosen
