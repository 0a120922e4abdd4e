-- Purpose: the shortest way to what is nearest: where all that is published may be shown, one statement asks the index
-- and gives its answer places. Each space has a function of its own for it, since a function keeps the plan of a
-- statement that it holds: planning took longer than the search.

-- Makes the function nearest_in_SPACE; the space is there, and its name was checked. It gives null where fewer than k
-- come out, as where the index gave texts that no document has any more. 100 is how many the index gives at once; k
-- is 90 at most. pgvector's own settings are no part of the function: who owns it may not write them down before the
-- library is there, as in a restore.
-- Index: the space's own; chunks_by_text_id.
CREATE OR REPLACE FUNCTION make_nearest(space integer) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    chosen CONSTANT spaces := known_space(space);
    around CONSTANT text := '(SELECT array_agg(substr(x.text, c.body_start + 1) ORDER BY c.ordinal)
          FROM chunks AS c INNER JOIN texts AS x ON c.text_id = x.text_id
          WHERE c.chunk_set_id = s.chunk_set_id AND c.ordinal BETWEEN s.ordinal + %s AND s.ordinal + %s)';
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION %1$I(question {extension}.vector, k integer, neighbours integer)
         RETURNS {search}.passage[]
         LANGUAGE plpgsql STABLE
         SET plan_cache_mode = force_generic_plan
         SET enable_hashjoin = off
         SET enable_mergejoin = off
         AS $made$
         DECLARE
             ef_search CONSTANT text := current_setting(''hnsw.ef_search'');
             iterative_scan CONSTANT text := current_setting(''hnsw.iterative_scan'');
             found {search}.passage[];
         BEGIN
             PERFORM set_config(''hnsw.ef_search'', ''100'', true), set_config(''hnsw.iterative_scan'', ''off'', true);
             SELECT array_agg(ROW(f.*)::{search}.passage) INTO found
             FROM (
                 SELECT (row_number() OVER (ORDER BY n.distance))::integer, s.collection, s.uri,
                     replace(s.link, ''{{page}}'', coalesce(s.pages[1], 1)::text), s.title, s.heading_path, s.pages,
                     s.ordinal, substr(t.text, s.body_start + 1), 1 - n.distance, 1 - n.distance,
                     (row_number() OVER (ORDER BY n.distance))::integer, null::double precision, null::integer,
                     s.copies, CASE WHEN neighbours > 0 THEN %4$s END, CASE WHEN neighbours > 0 THEN %5$s END,
                     s.metadata, s.html, s.flags, p.published_at, p.number, p.run_id, s.document_id, n.text_id, s.span,
                     s.lead
                 FROM (
                     SELECT v.text_id, v.embedding OPERATOR({extension}.<=>) question::{extension}.%2$s AS distance
                     FROM %3$I AS v
                     ORDER BY v.embedding OPERATOR({extension}.<=>) question::{extension}.%2$s LIMIT 100
                 ) AS n
                 INNER JOIN texts AS t ON n.text_id = t.text_id
                 CROSS JOIN LATERAL (
                     SELECT h.*, k.ordinal, k.pages, k.heading_path, k.body_start, k.html, k.flags, k.span, k.lead,
                         count(*) OVER () AS copies
                     FROM chunks AS k INNER JOIN heads AS h ON k.chunk_set_id = h.chunk_set_id
                     WHERE k.text_id = n.text_id
                     ORDER BY h.collection, h.uri, k.ordinal
                     LIMIT 1
                 ) AS s
                 INNER JOIN publishes AS p ON s.publish_id = p.publish_id
                 ORDER BY n.distance LIMIT k
             ) AS f;
             PERFORM
                 set_config(''hnsw.ef_search'', ef_search, true),
                 set_config(''hnsw.iterative_scan'', iterative_scan, true);
             RETURN CASE WHEN cardinality(found) = k THEN found END;
         END
         $made$',
        'nearest_in_' || chosen.name, chosen.storage, 'vectors_' || chosen.name,
        format(around, '(-neighbours)', '(-1)'), format(around, '1', 'neighbours')
    );
    EXECUTE format('REVOKE ALL ON FUNCTION %I FROM public', 'nearest_in_' || chosen.name);
END
$$;
REVOKE ALL ON FUNCTION make_nearest(integer) FROM public;

SELECT make_nearest(s.space_id) FROM spaces AS s;
