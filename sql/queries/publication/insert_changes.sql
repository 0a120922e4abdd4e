-- Purpose: write down which heads a publish moves: documents that show something else than they ought
-- to, and documents that are gone.
-- An attachment is found through the mail around it. The wanted rows are made first, so that each link is made once.
-- What shows something new must have all that the gate asked for, document by document: recorded passes, and for
-- each of its texts, in each space that the publish demands, an audited vector or a recorded refusal: the sets that
-- lack one are told by read_unsettled. The gate counts; this is what makes it true of every row.
-- Parameters: collection_id, publish_id, link, link_parts, link_fields, element_suite, chunk_suite, unsettled: numbers
-- of chunk sets. Index: heads_pkey, see the view targets; the keys of the pass tables.
INSERT INTO publish_changes (publish_id, document_id, chunk_set_id, link, title, metadata)
WITH w AS MATERIALIZED (
    SELECT
        t.document_id,
        t.elements_id,
        t.chunk_set_id,
        t.metadata,
        coalesce(t.title, t.metadata ->> 'name', t.uri) AS title,
        CASE
            WHEN %(link)s::text IS NOT null
                THEN link_of(
                    %(link)s, %(link_parts)s, %(link_fields)s, coalesce(t.root_uri, t.uri), t.metadata
                )
        END AS link
    FROM targets AS t
    WHERE t.collection_id = %(collection_id)s AND t.chunk_set_id IS NOT null AND NOT t.quarantined AND NOT t.postponed
)

SELECT
    %(publish_id)s,
    w.document_id,
    w.chunk_set_id,
    w.link,
    w.title,
    w.metadata
FROM w
LEFT JOIN heads AS h ON w.document_id = h.document_id
WHERE
    (
        h.chunk_set_id = w.chunk_set_id
        OR (
            EXISTS (
                SELECT 1 FROM element_passes AS p
                WHERE p.elements_id = w.elements_id AND p.suite_id = %(element_suite)s
            )
            AND EXISTS (
                SELECT 1 FROM chunk_set_passes AS p
                WHERE p.chunk_set_id = w.chunk_set_id AND p.suite_id = %(chunk_suite)s
            )
            AND w.chunk_set_id <> ALL(%(unsettled)s::bigint[])
        )
    )
    AND (
        h.document_id IS null
        OR (h.chunk_set_id, h.link, h.title, h.metadata) IS DISTINCT FROM (w.chunk_set_id, w.link, w.title, w.metadata)
    )
UNION ALL
SELECT
    %(publish_id)s,
    h.document_id,
    null,
    null,
    null,
    null
FROM heads AS h
INNER JOIN documents AS d ON h.document_id = d.document_id
WHERE h.collection_id = %(collection_id)s AND d.vanished_at IS NOT null
