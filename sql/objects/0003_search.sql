-- Purpose: the public face that does not depend on a space. Owned by the view role, so that what a
-- reader may see is decided there and base tables stay out of reach.

-- What is not a head's own is shown through CASE, which names the head: a condition of the caller on such a column can
-- then only be asked of rows that the policy on heads let through (docs/security.md). The planner cannot take it away.
DROP VIEW IF EXISTS {search}.documents;
CREATE VIEW {search}.documents AS
SELECT
    h.collection,
    h.uri,
    replace(h.link, '{{page}}', '1') AS link,
    h.title,
    h.metadata,
    CASE WHEN h.audience_id > 0 THEN e.format END AS format,
    CASE WHEN h.audience_id > 0 THEN e.size END AS size,
    CASE WHEN h.audience_id > 0 THEN e.pages END AS pages,
    CASE WHEN h.audience_id > 0 THEN e.language END AS language,
    h.document_id,
    CASE WHEN h.audience_id > 0 THEN p.published_at END AS published_at,
    CASE WHEN h.audience_id > 0 THEN p.number END AS publish,
    CASE WHEN h.audience_id > 0 THEN p.run_id END AS run_id
FROM heads AS h
INNER JOIN chunk_sets AS s ON h.chunk_set_id = s.chunk_set_id
INNER JOIN elements AS e ON s.elements_id = e.elements_id
INNER JOIN publishes AS p ON h.publish_id = p.publish_id;
COMMENT ON VIEW {search}.documents IS 'A row a published document.';

DROP VIEW IF EXISTS {search}.spaces;
CREATE VIEW {search}.spaces AS
SELECT
    s.name AS space,
    s.model,
    s.query_model,
    s.query_prefix,
    s.passage_prefix,
    s.dimensions,
    s.storage,
    s.normalised,
    s.token_limit,
    s.live,
    s.ready
FROM spaces AS s;
COMMENT ON VIEW {search}.spaces IS
'What a client needs to make a query vector: model, prefix and dimensions of each space.';
COMMENT ON COLUMN {search}.spaces.live IS 'Whether search.chunks shows it; exactly one does.';
COMMENT ON COLUMN {search}.spaces.ready IS
'Whether search.chunks_<space> shows every published chunk, through an index: false while the space is being filled.';

DROP VIEW IF EXISTS {search}.publishes;
CREATE VIEW {search}.publishes AS
SELECT
    c.name AS collection,
    p.number AS publish,
    p.published_at,
    p.run_id,
    CASE WHEN NOT s.partly THEN p.counts END AS counts
FROM publishes AS p
INNER JOIN collections AS c ON p.collection_id = c.collection_id
INNER JOIN (
    SELECT
        a.collection_id,
        bool_or(a.audience_id <> ALL(visible_audiences())) AS partly
    FROM audiences AS a
    GROUP BY a.collection_id
    HAVING bool_or(a.audience_id = ANY(visible_audiences()))
) AS s ON c.collection_id = s.collection_id;
COMMENT ON VIEW {search}.publishes IS 'Every publish: its number in its collection, when, by which run, what it moved.';

ALTER VIEW {search}.documents OWNER TO {view};
ALTER VIEW {search}.spaces OWNER TO {view};
ALTER VIEW {search}.publishes OWNER TO {view};
GRANT SELECT ON {search}.documents, {search}.spaces, {search}.publishes TO {reader}, {pipeline};
