-- Purpose: what the gate needs to know, in one statement: shares of what vanished and of what is held
-- back, and what would become visible without recorded passes under the present rules.
-- Parameters: collection_id, element_suite, chunk_suite. Index: the keys of the pass tables.
WITH source AS (
    SELECT
        documents,
        heads,
        vanished,
        vanished_share,
        emptied,
        newcomers
    FROM audited_sources
    WHERE collection_id = %(collection_id)s
),

held_back AS (
    SELECT count(*) AS documents
    FROM targets
    WHERE collection_id = %(collection_id)s AND quarantined
),

pending AS (
    SELECT
        document_id,
        elements_id,
        chunk_set_id
    FROM candidates
    WHERE collection_id = %(collection_id)s
)

SELECT
    source.documents,
    source.heads,
    source.vanished,
    source.vanished_share,
    source.emptied,
    source.newcomers,
    held_back.documents AS quarantined,
    (SELECT count(*) FROM pending) AS candidates,
    (
        SELECT count(*) FROM pending AS p
        WHERE
            NOT EXISTS (
                SELECT 1 FROM element_passes AS e
                WHERE e.elements_id = p.elements_id AND e.suite_id = %(element_suite)s
            )
    ) AS elements_without_pass,
    (
        SELECT count(*) FROM pending AS p
        WHERE
            NOT EXISTS (
                SELECT 1 FROM chunk_set_passes AS c
                WHERE c.chunk_set_id = p.chunk_set_id AND c.suite_id = %(chunk_suite)s
            )
    ) AS chunk_sets_without_pass
FROM source
CROSS JOIN held_back
