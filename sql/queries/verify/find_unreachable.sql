-- Purpose: of a seeded sample of vectors, those that the index does not find when it is asked for them, nor another one
-- at the same place. A zero vector is in no cosine index, and is found by itself.
-- Parameters: seed, sample, collection_ids (null for all); identifier: vectors. Index: the space's HNSW.
WITH drawn AS MATERIALIZED (
    SELECT v.text_id
    FROM {vectors} AS v
    WHERE
        %(collection_ids)s::integer[] IS null
        OR v.text_id IN (
            SELECT u.text_id FROM used_texts AS u
            WHERE u.collection_id = any(%(collection_ids)s::integer[])
        )
    ORDER BY hashint8extended(v.text_id, %(seed)s), v.text_id
    LIMIT %(sample)s
),

asked AS MATERIALIZED (
    SELECT
        v.text_id,
        v.embedding,
        v.embedding <=> v.embedding AS own_distance
    FROM drawn AS d
    INNER JOIN {vectors} AS v ON d.text_id = v.text_id
)

SELECT a.text_id
FROM asked AS a
WHERE
    a.own_distance < 0.5 -- Not a number for a zero vector, which sorts above all numbers.
    AND NOT EXISTS (
        SELECT 1
        FROM (
            SELECT
                v.text_id,
                v.embedding <=> a.embedding AS distance
            FROM {vectors} AS v
            ORDER BY v.embedding <=> a.embedding
            LIMIT 10
        ) AS near
        WHERE near.text_id = a.text_id OR near.distance <= a.own_distance + 1e-6
    )
ORDER BY a.text_id
