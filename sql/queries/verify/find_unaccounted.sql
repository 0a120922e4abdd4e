-- Purpose: documents that a collection without work left neither shows, nor holds back, nor counts as vanished: no
-- refresh would look at them again. An attachment waits while the mail around it has no parse. What readers see without
-- a publish is another finding.
-- Parameters: collection_ids. Index: documents (collection_id, uri), heads_pkey; see targets and ledger_heads.
SELECT
    'documents_unaccounted' AS kind,
    n.name AS collection,
    count(*) AS found,
    (array_agg(d.uri ORDER BY d.uri))[1:5] AS examples
FROM collections AS n
INNER JOIN documents AS d ON n.collection_id = d.collection_id
LEFT JOIN targets AS t ON d.document_id = t.document_id
LEFT JOIN ledger_heads AS l ON d.document_id = l.document_id
LEFT JOIN heads AS h ON d.document_id = h.document_id
LEFT JOIN chunk_sets AS s ON l.chunk_set_id = s.chunk_set_id
LEFT JOIN elements AS e ON s.elements_id = e.elements_id
WHERE
    n.collection_id = any(%(collection_ids)s::integer[])
    AND n.converged IS NOT null
    AND n.pinned_to IS null
    AND CASE
        WHEN d.vanished_at IS NOT null THEN l.document_id IS NOT null
        WHEN t.quarantined OR (l.document_id IS null AND h.document_id IS NOT null) THEN false
        WHEN l.document_id IS NOT null THEN e.content_hash IS DISTINCT FROM d.content_hash
        ELSE t.elements_id IS NOT null OR d.document_id IN (SELECT w.document_id FROM unparsed AS w)
    END
GROUP BY n.name
ORDER BY n.name
