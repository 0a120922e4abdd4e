-- Purpose: what the gate needs to know of a space that the publish demands: what would become visible without a vector
-- or without a recorded pass.
-- Parameters: collection_id, space, space_id, vector_suite; identifier: vectors.
-- Index: the keys of the pass tables and of the vectors.
WITH pending AS (
    SELECT
        document_id,
        chunk_set_id
    FROM candidates
    WHERE collection_id = %(collection_id)s
),

texts_wanted AS (
    SELECT text_id
    FROM candidate_texts(%(space_id)s)
    WHERE collection_id = %(collection_id)s
),

-- Without the texts of published documents that want a vector again: those are shown already, refused or not.
new_texts AS (
    SELECT DISTINCT k.text_id
    FROM pending AS p
    INNER JOIN chunks AS k ON p.chunk_set_id = k.chunk_set_id
)

SELECT
    %(space)s::text AS space,
    (
        SELECT count(*) FROM new_texts AS w
        WHERE
            NOT EXISTS (
                SELECT 1 FROM {vectors} AS v
                WHERE v.text_id = w.text_id
            )
            AND NOT EXISTS (
                SELECT 1 FROM text_failures AS f
                WHERE f.text_id = w.text_id AND f.space_id = %(space_id)s
            )
    ) AS texts_without_vector,
    (
        SELECT count(DISTINCT p.document_id)
        FROM pending AS p
        INNER JOIN chunks AS k ON p.chunk_set_id = k.chunk_set_id
        INNER JOIN text_failures AS f ON k.text_id = f.text_id AND f.space_id = %(space_id)s
    ) AS documents_refused,
    (SELECT count(*) FROM new_texts) AS texts_wanted,
    (
        SELECT count(*) FROM new_texts AS w
        INNER JOIN text_failures AS f ON w.text_id = f.text_id AND f.space_id = %(space_id)s
        WHERE NOT EXISTS (
            SELECT 1 FROM {vectors} AS v
            WHERE v.text_id = w.text_id
        )
    ) AS texts_refused,
    (
        SELECT count(*) FROM texts_wanted AS w
        WHERE
            EXISTS (
                SELECT 1 FROM {vectors} AS v
                WHERE v.text_id = w.text_id
            )
            AND NOT EXISTS (
                SELECT 1 FROM vector_passes AS p
                WHERE p.text_id = w.text_id AND p.space_id = %(space_id)s AND p.suite_id = %(vector_suite)s
            )
    ) AS vectors_without_pass
