-- Purpose: whether a space has the index that searches rely on, whole and of the right kind. Before the first publish,
-- and while a space is being filled, there is none.
-- Parameters: space_id; identifier: vectors. Index: pg_class, pg_index.
SELECT
    f.kind,
    null::text AS collection,
    1 AS found,
    ARRAY[f.index_name] AS examples
FROM (
    SELECT
        s.named AS index_name,
        CASE
            WHEN
                i.indexrelid IS null
                AND EXISTS (SELECT 1 FROM heads)
                AND EXISTS (SELECT 1 FROM {vectors})
                AND NOT EXISTS (SELECT 1 FROM unfilled_collections(s.space_id))
                THEN 'index_missing'
            WHEN NOT (i.indisvalid AND i.indisready AND i.indislive) THEN 'index_invalid'
            WHEN
                i.indpred IS NOT null
                OR m.amname <> 'hnsw'
                OR o.opcname <> s.storage || '_cosine_ops'
                OR i.indrelid <> to_regclass(format('%%I', 'vectors_' || s.name))
                THEN 'index_of_wrong_kind'
        END AS kind
    FROM (
        SELECT
            known.*,
            'vectors_' || known.name || '_hnsw' AS named
        FROM spaces AS known
        WHERE known.space_id = %(space_id)s
    ) AS s
    LEFT JOIN pg_class AS c ON c.oid = to_regclass(format('%%I', s.named))
    LEFT JOIN pg_am AS m ON c.relam = m.oid
    LEFT JOIN pg_index AS i ON c.oid = i.indexrelid
    LEFT JOIN pg_opclass AS o ON i.indclass[0] = o.oid
) AS f
WHERE f.kind IS NOT null
