-- Purpose: the public face that does not depend on a space. Owned by the view role, so that what a
-- reader may see is decided there and base tables stay out of reach.

-- What is not a head's own is shown through CASE, which asks again what joins it to the head. A condition of the caller
-- on such a column, whatever it costs and wherever the planner puts it, then meets what belongs to a head that the
-- policy on heads let through, or null (docs/security.md). The planner cannot take CASE apart.
DROP VIEW IF EXISTS {search}.documents;
CREATE VIEW {search}.documents AS
SELECT
    h.collection,
    h.uri,
    replace(h.link, '{{page}}', '1') AS link,
    h.title,
    h.metadata,
    h.profile,
    h.profile ->> 'summary' AS summary,
    h.profile ->> 'kind' AS kind,
    CASE
        WHEN h.profile ? 'keywords' THEN ARRAY(SELECT jsonb_array_elements_text(h.profile -> 'keywords'))
    END AS keywords,
    CASE WHEN h.chunk_set_id = s.chunk_set_id AND s.elements_id = e.elements_id THEN e.format END AS format,
    CASE WHEN h.chunk_set_id = s.chunk_set_id AND s.elements_id = e.elements_id THEN e.size END AS size,
    CASE WHEN h.chunk_set_id = s.chunk_set_id AND s.elements_id = e.elements_id THEN e.pages END AS pages,
    CASE WHEN h.chunk_set_id = s.chunk_set_id AND s.elements_id = e.elements_id THEN e.language END AS language,
    h.document_id,
    CASE WHEN h.publish_id = p.publish_id THEN p.published_at END AS published_at,
    CASE WHEN h.publish_id = p.publish_id THEN p.number END AS publish,
    CASE WHEN h.publish_id = p.publish_id THEN p.run_id END AS run_id
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
-- A barrier, since nothing here has a policy of its own; nor has it an index that a caller's condition could use.
CREATE VIEW {search}.publishes WITH (security_barrier) AS
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
COMMENT ON VIEW {search}.publishes IS
'Every publish of the collections of which the caller may read something: its number in its collection, when, by which
run, and, for who may read all of the collection, what it moved.';

ALTER VIEW {search}.documents OWNER TO {view};
ALTER VIEW {search}.spaces OWNER TO {view};
ALTER VIEW {search}.publishes OWNER TO {view};
GRANT SELECT ON {search}.documents, {search}.spaces, {search}.publishes TO {reader}, {pipeline};
