-- Purpose: the narrow doors through which the pipeline role causes DDL. The pipeline owns nothing; these
-- functions run as the owner, take a space by number, and build every identifier from the spaces table. What pgvector
-- brings is named with its schema, in which others may be allowed to create: it is on no search_path.

-- A space that has to be there.
CREATE OR REPLACE FUNCTION known_space(space integer) RETURNS spaces
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    chosen spaces;
BEGIN
    SELECT * INTO STRICT chosen FROM spaces AS s WHERE s.space_id = space;
    RETURN chosen;
END
$$;

-- A view of what is published, with the vectors of a space.
CREATE OR REPLACE FUNCTION show_chunks(space integer, named text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {corpus}, pg_temp
AS $$
DECLARE
    chosen CONSTANT spaces := known_space(space);
BEGIN
    EXECUTE format('DROP VIEW IF EXISTS {search}.%I', named);
    EXECUTE format(
        -- CASE as in search.documents.
        'CREATE VIEW {search}.%I AS
         SELECT h.collection, h.uri,
                CASE WHEN h.chunk_set_id = k.chunk_set_id
                    THEN replace(h.link, ''{{page}}'', coalesce(k.pages[1], 1)::text) END AS link,
                h.title,
                CASE WHEN h.chunk_set_id = k.chunk_set_id THEN k.heading_path END AS heading_path,
                CASE WHEN h.chunk_set_id = k.chunk_set_id THEN k.pages END AS pages,
                CASE WHEN h.chunk_set_id = k.chunk_set_id THEN k.ordinal END AS ordinal,
                CASE WHEN h.chunk_set_id = k.chunk_set_id AND k.text_id = t.text_id
                    THEN substr(t.text, k.body_start + 1) END AS text,
                CASE WHEN h.chunk_set_id = k.chunk_set_id THEN k.html END AS html,
                CASE WHEN h.chunk_set_id = k.chunk_set_id THEN k.flags END AS flags,
                h.metadata, v.embedding,
                CASE WHEN h.publish_id = p.publish_id THEN p.published_at END AS published_at,
                CASE WHEN h.publish_id = p.publish_id THEN p.number END AS publish,
                CASE WHEN h.publish_id = p.publish_id THEN p.run_id END AS run_id,
                h.document_id,
                CASE WHEN h.chunk_set_id = k.chunk_set_id THEN k.span END AS span,
                CASE WHEN h.chunk_set_id = k.chunk_set_id THEN k.lead END AS lead,
                v.text_id
         FROM %I AS v
         INNER JOIN texts AS t ON v.text_id = t.text_id
         INNER JOIN chunks AS k ON v.text_id = k.text_id
         INNER JOIN heads AS h ON k.chunk_set_id = h.chunk_set_id
         INNER JOIN publishes AS p ON h.publish_id = p.publish_id',
        named, 'vectors_' || chosen.name
    );
    EXECUTE format(
        'COMMENT ON VIEW {search}.%I IS %L', named,
        format('A row a published chunk, with its vector in space %s (%s, %s dimensions, cosine distance).',
               chosen.name, chosen.model, chosen.dimensions)
    );
    EXECUTE format('ALTER VIEW {search}.%I OWNER TO {view}', named);
    EXECUTE format('GRANT SELECT ON {search}.%I TO {reader}, {pipeline}', named);
END
$$;

CREATE OR REPLACE FUNCTION show_space(space integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {corpus}, pg_temp
AS $$
DECLARE
    chosen CONSTANT spaces := known_space(space);
BEGIN
    PERFORM show_chunks(space, 'chunks_' || chosen.name);
    IF chosen.live THEN
        PERFORM show_chunks(space, 'chunks');
    END IF;
    EXECUTE format('GRANT SELECT ON %I TO {view}', 'vectors_' || chosen.name);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', 'vectors_' || chosen.name);
    EXECUTE format('DROP POLICY IF EXISTS of_the_pipeline ON %I', 'vectors_' || chosen.name);
    EXECUTE format(
        'CREATE POLICY of_the_pipeline ON %I TO {pipeline} USING (true) WITH CHECK (true)', 'vectors_' || chosen.name
    );
    EXECUTE format('DROP POLICY IF EXISTS of_the_caller ON %I', 'vectors_' || chosen.name);
    -- The head policy holds inside. OFFSET keeps the planner from reading all chunks beforehand.
    EXECUTE format(
        'CREATE POLICY of_the_caller ON %1$I FOR SELECT TO {view} USING (EXISTS (
             SELECT 1 FROM chunks AS k INNER JOIN heads AS h ON k.chunk_set_id = h.chunk_set_id
             WHERE k.text_id = %1$I.text_id OFFSET 0
         ))', 'vectors_' || chosen.name
    );
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON %I TO {pipeline}', 'vectors_' || chosen.name);
    EXECUTE format('DROP VIEW IF EXISTS %I', 'audited_vectors_' || chosen.name);
    EXECUTE format(
        'CREATE VIEW %1$I AS
         SELECT c.collection_id, c.text_id,
                CASE WHEN v.text_id IS NULL AND f.text_id IS NULL AND c.first_chunk_set > 0 THEN 1 ELSE 0 END AS missing,
                {extension}.vector_dims(v.embedding) AS dimensions,
                {extension}.%4$s(v.embedding)::float8 AS norm
         FROM candidate_texts(%3$s) AS c
         LEFT JOIN %2$I AS v ON c.text_id = v.text_id
         LEFT JOIN text_failures AS f ON c.text_id = f.text_id AND f.space_id = %3$s',
        'audited_vectors_' || chosen.name, 'vectors_' || chosen.name, chosen.space_id,
        CASE chosen.storage WHEN 'vector' THEN 'vector_norm' ELSE 'l2_norm' END
    );
    EXECUTE format('GRANT SELECT ON %I TO {pipeline}', 'audited_vectors_' || chosen.name);
END
$$;

CREATE OR REPLACE FUNCTION create_space_table(space integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {corpus}, pg_temp
AS $$
DECLARE
    chosen CONSTANT spaces := known_space(space);
BEGIN
    EXECUTE format(
        'CREATE TABLE IF NOT EXISTS %I (
            text_id bigint PRIMARY KEY REFERENCES texts,
            embedding {extension}.%s(%s) NOT NULL,
            digest bytea
        )',
        'vectors_' || chosen.name, chosen.storage, chosen.dimensions
    );
    PERFORM show_space(space);
    PERFORM make_nearest(space);
END
$$;

-- Whether a space's index is there, whole and used by searches.
-- Index: pg_index by its relation.
CREATE OR REPLACE FUNCTION has_index(space integer) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = {corpus}, pg_temp
AS $$
SELECT coalesce(bool_and(i.indisvalid AND i.indisready AND i.indislive), false)
FROM spaces AS s
INNER JOIN pg_index AS i ON i.indexrelid = to_regclass(format('%I', 'vectors_' || s.name || '_hnsw'))
WHERE s.space_id = space
$$;

-- The collections that readers see and that are not complete in a space.
-- Index: heads_by_collection_id, space_fills_pkey.
CREATE OR REPLACE FUNCTION unfilled_collections(space integer) RETURNS TABLE (collection_id integer, name text)
LANGUAGE sql STABLE
AS $$
SELECT
    c.collection_id,
    c.name
FROM collections AS c
WHERE
    EXISTS (SELECT 1 FROM heads AS h WHERE h.collection_id = c.collection_id)
    AND NOT EXISTS (
        SELECT 1 FROM space_fills AS f
        WHERE f.collection_id = c.collection_id AND f.space_id = space
    )
$$;

-- Keeps spaces.ready true: called by whatever fills a collection, takes its fill back, or makes the index.
CREATE OR REPLACE FUNCTION note_ready(space integer) RETURNS boolean
LANGUAGE sql
AS $$
UPDATE spaces AS s
SET ready = found.ready
FROM (
    SELECT has_index(space) AND NOT EXISTS (SELECT 1 FROM unfilled_collections(space)) AS ready
) AS found
WHERE s.space_id = space AND s.ready <> found.ready;
SELECT s.ready FROM spaces AS s WHERE s.space_id = space;
$$;

-- Settings under which pgvector builds in parallel and in memory; they last until the transaction ends. The table's
-- heap looks small once vectors are TOASTed, so that the planner would give the build no workers without the second.
CREATE OR REPLACE FUNCTION prepare_index_build(memory_mb integer) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM set_config('maintenance_work_mem', memory_mb || 'MB', true);
    PERFORM set_config('min_parallel_table_scan_size', '0', true);
    PERFORM set_config(
        'max_parallel_maintenance_workers',
        greatest(
            current_setting('max_parallel_maintenance_workers')::integer,
            least(current_setting('max_parallel_workers')::integer, 2)
        )::text, true
    );
END
$$;

-- An HNSW index by cosine over all vectors of a space. A parallel build keeps its graph in shared memory, of which a
-- container may have too little: it is then built without help.
CREATE OR REPLACE FUNCTION make_vector_index(chosen spaces, named text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    statement text := format(
        'CREATE INDEX %I ON %I USING hnsw (embedding {extension}.%s)',
        named, 'vectors_' || chosen.name, chosen.storage || '_cosine_ops'
    );
BEGIN
    EXECUTE statement;
EXCEPTION WHEN disk_full THEN
    PERFORM set_config('max_parallel_maintenance_workers', '0', true);
    EXECUTE statement;
END
$$;

-- Built after the first load: filling a finished graph is faster than growing one row by row.
DROP FUNCTION IF EXISTS build_vector_index(integer);
CREATE OR REPLACE FUNCTION build_vector_index(space integer, memory_mb integer DEFAULT 512) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {corpus}, pg_temp
AS $$
DECLARE
    chosen spaces;
BEGIN
    PERFORM gin_clean_pending_list('texts_by_lexemes'::regclass);  -- Else each question reads what came last in full.
    PERFORM pg_advisory_xact_lock(hashtext('{corpus} index'), space);
    SELECT * INTO STRICT chosen FROM spaces AS s WHERE s.space_id = space;
    IF to_regclass(format('{corpus}.%I', 'vectors_' || chosen.name || '_hnsw')) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM prepare_index_build(memory_mb);
    PERFORM make_vector_index(chosen, 'vectors_' || chosen.name || '_hnsw');
    UPDATE spaces AS s SET retired = 0 WHERE s.space_id = space;
    EXECUTE format('ANALYZE %I', 'vectors_' || chosen.name);
    ANALYZE texts, chunks, chunk_sets, heads, publishes;
    PERFORM note_ready(space);
    RETURN true;
END
$$;

-- Makes a space the one that readers see as search.chunks. Who asks holds off refreshes and has made sure that it is
-- complete. Readers behind the exchange of the view wait for its lock_timeout at most.
CREATE OR REPLACE FUNCTION promote_space(space integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {corpus}, pg_temp
SET lock_timeout = '200ms'
AS $$
BEGIN
    UPDATE spaces AS s SET live = false WHERE s.live;
    UPDATE spaces AS s SET live = true WHERE s.space_id = space;
    PERFORM show_chunks(space, 'chunks');
END
$$;

-- Removes a space with all that it holds; how many rows of each table. The ledger of cost stays.
CREATE OR REPLACE FUNCTION drop_space(space integer) RETURNS TABLE (name text, removed bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {corpus}, pg_temp
SET lock_timeout = '200ms'
AS $$
DECLARE
    chosen spaces;
    touched bigint;
    named text;
BEGIN
    SELECT * INTO STRICT chosen FROM spaces AS s WHERE s.space_id = space AND NOT s.live;
    EXECUTE format('DROP VIEW IF EXISTS {search}.%I', 'chunks_' || chosen.name);
    EXECUTE format('DROP VIEW IF EXISTS %I', 'audited_vectors_' || chosen.name);
    EXECUTE format('DROP FUNCTION IF EXISTS %I', 'nearest_in_' || chosen.name);
    EXECUTE format('SELECT count(*) FROM %I', 'vectors_' || chosen.name) INTO touched;
    RETURN QUERY SELECT 'vectors', touched;
    EXECUTE format('DROP TABLE %I', 'vectors_' || chosen.name);
    FOREACH named IN ARRAY ARRAY[
        'vector_passes', 'text_failures', 'retried_texts', 'wanted_texts', 'claims', 'space_fills', 'spaces'
    ] LOOP
        EXECUTE format('DELETE FROM %I WHERE space_id = $1', named) USING space;
        GET DIAGNOSTICS touched = ROW_COUNT;
        RETURN QUERY SELECT named, touched;
    END LOOP;
END
$$;

-- Plans that were cached while a table was small (foreign key checks, prepared statements) read all of it for
-- every row once it has grown. Fresh statistics throw such plans away. A table in use elsewhere is skipped.
CREATE OR REPLACE FUNCTION refresh_statistics() RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = {corpus}, pg_temp
AS $$
ANALYZE (SKIP_LOCKED) documents, elements, chunk_sets, texts, chunks, heads, publish_changes,
element_passes, chunk_set_passes, vector_passes;
$$;
REVOKE ALL ON FUNCTION refresh_statistics() FROM public;
GRANT EXECUTE ON FUNCTION refresh_statistics() TO {pipeline};

REVOKE ALL ON FUNCTION
known_space(integer), show_chunks(integer, text), show_space(integer), create_space_table(integer), has_index(integer),
unfilled_collections(integer), note_ready(integer), prepare_index_build(integer), make_vector_index(spaces, text),
build_vector_index(integer, integer), promote_space(integer), drop_space(integer)
FROM public;
GRANT EXECUTE ON FUNCTION
show_space(integer), create_space_table(integer), has_index(integer), unfilled_collections(integer),
note_ready(integer), build_vector_index(integer, integer), promote_space(integer), drop_space(integer)
TO {pipeline};

SELECT show_space(s.space_id) FROM spaces AS s;
