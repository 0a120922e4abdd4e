-- Purpose: of a seeded sample of published vectors of a collection, the share of each one's ten nearest that the index
-- gives too. Adding 0 keeps the first search from the index; the settings of the transaction keep the second on it.
-- A zero vector is in no cosine index, and is left out.
-- Parameters: collection_id, seed, sample; identifier: vectors. Index: the space's HNSW; heads_by_collection_id.
WITH drawn AS MATERIALIZED (
    SELECT v.text_id
    FROM (
        SELECT DISTINCT k.text_id
        FROM heads AS h
        INNER JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id
        WHERE h.collection_id = %(collection_id)s
    ) AS shown
    INNER JOIN {vectors} AS v ON shown.text_id = v.text_id
    ORDER BY hashint8extended(v.text_id, %(seed)s), v.text_id
    LIMIT %(sample)s
),

asked AS MATERIALIZED (
    SELECT
        v.embedding,
        v.embedding <=> v.embedding AS own_distance
    FROM drawn AS d
    INNER JOIN {vectors} AS v ON d.text_id = v.text_id
),

compared AS (
    SELECT
        exact.texts,
        (
            SELECT count(*)
            FROM (
                SELECT v.embedding <=> a.embedding AS distance
                FROM {vectors} AS v
                ORDER BY v.embedding <=> a.embedding
                LIMIT 10
            ) AS near
            WHERE near.distance <= exact.farthest + 1e-6
        ) AS found
    FROM asked AS a
    INNER JOIN LATERAL (
        SELECT
            count(*) AS texts,
            max(nearest.distance) AS farthest
        FROM (
            SELECT v.embedding <=> a.embedding AS distance
            FROM {vectors} AS v
            ORDER BY (v.embedding <=> a.embedding) + 0
            LIMIT 10
        ) AS nearest
    ) AS exact ON true
    WHERE a.own_distance < 0.5
)

SELECT
    count(*) AS sample,
    sum(c.found)::double precision / nullif(sum(c.texts), 0) AS recall
FROM compared AS c
