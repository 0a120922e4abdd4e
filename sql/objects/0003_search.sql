-- Purpose: the public face that does not depend on a space. Owned by the view role, so that what a
-- reader may see is decided there and base tables stay out of reach.

DROP VIEW IF EXISTS {search}.documents;
CREATE VIEW {search}.documents AS
SELECT
    h.collection,
    h.uri,
    replace(h.link, '{{page}}', '1') AS link,
    h.title,
    h.metadata,
    e.format,
    e.size,
    e.pages,
    e.language,
    h.document_id,
    p.published_at,
    p.number AS publish,
    p.run_id
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
    p.counts
FROM publishes AS p
INNER JOIN collections AS c ON p.collection_id = c.collection_id;
COMMENT ON VIEW {search}.publishes IS 'Every publish: its number in its collection, when, by which run, what it moved.';

ALTER VIEW {search}.documents OWNER TO {view};
ALTER VIEW {search}.spaces OWNER TO {view};
ALTER VIEW {search}.publishes OWNER TO {view};
GRANT SELECT ON {search}.documents, {search}.spaces, {search}.publishes TO {reader}, {pipeline};
