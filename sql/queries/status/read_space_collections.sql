-- Purpose: how far each collection is in a space: published texts, those that are settled there by a vector or a
-- refusal, and the tokens of the others. Where a collection is known to be complete, it is counted only if asked for.
-- Parameters: space_id, counted; identifier: vectors. Index: heads_by_collection_id, chunks_pkey, the vectors' key.
SELECT
    c.name AS collection,
    f.space_id IS NOT null AS filled,
    f.filled_at,
    coalesce(seen.texts, 0) AS texts,
    coalesce(seen.settled, 0) AS settled,
    coalesce(seen.refused, 0) AS refused,
    coalesce(seen.tokens_to_go, 0) AS tokens_to_go
FROM collections AS c
LEFT JOIN space_fills AS f ON c.collection_id = f.collection_id AND f.space_id = %(space_id)s
LEFT JOIN LATERAL (
    SELECT
        count(*) AS texts,
        count(*) FILTER (WHERE v.text_id IS NOT null OR r.text_id IS NOT null) AS settled,
        count(*) FILTER (WHERE v.text_id IS null AND r.text_id IS NOT null) AS refused,
        coalesce(sum(t.tokens) FILTER (WHERE v.text_id IS null AND r.text_id IS null), 0)::bigint AS tokens_to_go
    FROM (
        SELECT DISTINCT k.text_id
        FROM heads AS h
        INNER JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id
        WHERE h.collection_id = c.collection_id
    ) AS w
    INNER JOIN texts AS t ON w.text_id = t.text_id
    LEFT JOIN {vectors} AS v ON w.text_id = v.text_id
    LEFT JOIN text_failures AS r ON w.text_id = r.text_id AND r.space_id = %(space_id)s
) AS seen ON %(counted)s OR f.space_id IS null
ORDER BY c.name
