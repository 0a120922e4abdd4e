-- Purpose: what garbage collection, erasure and dropping rest on: what is still reached, a way to keep refreshes from
-- committing for a moment, and an index that is built beside the live one.

-- Until the transaction ends no refresh commits anything: each of their writing transactions begins with its lease.
-- What was removed is then removed before or after what they commit, and never in the middle. The wait is bounded,
-- since everybody who wants to write waits behind it.
CREATE OR REPLACE FUNCTION hold_refreshes() RETURNS void
LANGUAGE plpgsql
SET search_path = {corpus}, pg_temp
SET lock_timeout = '1s'
AS $$
BEGIN
    LOCK TABLE leases IN SHARE ROW EXCLUSIVE MODE;
END
$$;

-- The oldest publish of each collection whose state is kept: of the last days, of the newest ones, or the one that a
-- collection is pinned to. With null for both, the oldest one that was not given up yet.
CREATE OR REPLACE FUNCTION oldest_kept(keep_days integer, keep_publishes integer)
RETURNS TABLE (collection_id integer, publish_id bigint)
LANGUAGE sql STABLE
AS $$
SELECT
    ranked.collection_id,
    min(ranked.publish_id)
FROM (
    SELECT
        p.collection_id,
        p.publish_id,
        p.published_at,
        p.number = c.pinned_to AS pinned,
        row_number() OVER (PARTITION BY p.collection_id ORDER BY p.publish_id DESC) AS place
    FROM publishes AS p
    INNER JOIN collections AS c ON p.collection_id = c.collection_id
    WHERE p.collected_at IS NULL
) AS ranked
WHERE
    keep_days IS NULL
    OR ranked.published_at >= now() - make_interval(days => keep_days)
    OR ranked.place <= keep_publishes
    OR ranked.pinned
GROUP BY ranked.collection_id
$$;

-- What nothing reaches, by kind, and in which order of a kind it has to go. The state of a publish is, for each
-- document, its latest change up to then: so the latest at or below the oldest kept publish stays, and all above it.
-- A removal that is the latest there is needed only as long as an older change is: it goes last.
CREATE OR REPLACE FUNCTION garbage(keep_days integer, keep_publishes integer)
RETURNS TABLE (kind text, id bigint, publish_id bigint, place integer)
LANGUAGE sql STABLE
AS $$
WITH RECURSIVE changes AS (
    SELECT
        c.document_id,
        c.publish_id,
        c.chunk_set_id,
        c.publish_id > f.publish_id
        OR (
            c.chunk_set_id IS NOT NULL
            AND c.publish_id = max(c.publish_id) FILTER (WHERE c.publish_id <= f.publish_id)
                OVER (PARTITION BY c.document_id)
        ) AS kept
    FROM publish_changes AS c
    INNER JOIN publishes AS p ON c.publish_id = p.publish_id
    INNER JOIN oldest_kept(keep_days, keep_publishes) AS f ON p.collection_id = f.collection_id
),

wanted AS (
    SELECT
        t.elements_id,
        t.chunk_set_id
    FROM targets AS t
    WHERE t.elements_id IS NOT NULL
),

kept_sets AS (
    SELECT h.chunk_set_id FROM heads AS h
    UNION
    SELECT c.chunk_set_id FROM changes AS c
    WHERE c.kept AND c.chunk_set_id IS NOT NULL
    UNION
    SELECT w.chunk_set_id FROM wanted AS w
    WHERE w.chunk_set_id IS NOT NULL
),

kept_elements AS (
    SELECT s.elements_id
    FROM chunk_sets AS s
    INNER JOIN kept_sets AS k ON s.chunk_set_id = k.chunk_set_id
    UNION
    SELECT w.elements_id FROM wanted AS w
),

kept_texts AS (
    SELECT k.text_id
    FROM chunks AS k
    INNER JOIN kept_sets AS s ON k.chunk_set_id = s.chunk_set_id
    UNION
    SELECT w.text_id FROM wanted_texts AS w
),

shown_documents AS (
    SELECT
        d.document_id,
        d.parent_id
    FROM documents AS d
    WHERE
        d.vanished_at IS NULL
        OR d.document_id IN (SELECT h.document_id FROM heads AS h)
    UNION
    SELECT
        d.document_id,
        d.parent_id
    FROM documents AS d
    INNER JOIN changes AS c ON d.document_id = c.document_id
    WHERE c.kept
),

kept_documents AS (
    SELECT
        s.document_id,
        s.parent_id
    FROM shown_documents AS s
    UNION
    SELECT
        mail.document_id,
        mail.parent_id
    FROM kept_documents AS inside
    INNER JOIN documents AS mail ON inside.parent_id = mail.document_id
)

SELECT
    'publish_changes',
    c.document_id,
    c.publish_id,
    (c.chunk_set_id IS NULL)::integer
FROM changes AS c
WHERE NOT c.kept
UNION ALL
SELECT
    'chunk_sets',
    s.chunk_set_id,
    NULL,
    0
FROM chunk_sets AS s
WHERE NOT EXISTS (SELECT 1 FROM kept_sets AS k WHERE k.chunk_set_id = s.chunk_set_id)
UNION ALL
SELECT
    'elements',
    e.elements_id,
    NULL,
    0
FROM elements AS e
WHERE NOT EXISTS (SELECT 1 FROM kept_elements AS k WHERE k.elements_id = e.elements_id)
UNION ALL
SELECT
    'texts',
    t.text_id,
    NULL,
    0
FROM texts AS t
WHERE NOT EXISTS (SELECT 1 FROM kept_texts AS k WHERE k.text_id = t.text_id)
UNION ALL
SELECT
    'documents',
    d.document_id,
    NULL,
    -cardinality(d.parts)
FROM documents AS d
WHERE NOT EXISTS (SELECT 1 FROM kept_documents AS k WHERE k.document_id = d.document_id)
$$;

-- Digests of what was erased are kept; its name is taken out of what ledgers list as examples.
CREATE OR REPLACE FUNCTION forget_uris(uris text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = {corpus}, pg_temp
AS $$
DECLARE
    place text[];
    uri text;
BEGIN
    FOREACH place SLICE 1 IN ARRAY ARRAY[
        ['verifications', 'findings'], ['gate_verdicts', 'findings'], ['refreshes', 'stages'], ['confirmations', 'seen']
    ] LOOP
        FOREACH uri IN ARRAY uris LOOP
            EXECUTE format(
                -- A key of that name is no uri: it is put aside meanwhile.
                'UPDATE %1$I SET %2$I = replace(replace(replace(
                     %2$I::text, to_jsonb($1)::text || '':'', chr(1)
                 ), to_jsonb($1)::text, ''"(erased)"''), chr(1), to_jsonb($1)::text || '':'')::jsonb
                 WHERE strpos(%2$I::text, to_jsonb($1)::text) > 0',
                place[1], place[2]
            ) USING uri;
        END LOOP;
    END LOOP;
END
$$;

-- All rows of a collection, in the order that their references allow. Contents stay for the garbage collection.
CREATE OR REPLACE FUNCTION drop_collection(dropped integer) RETURNS TABLE (name text, removed bigint)
LANGUAGE plpgsql
SET search_path = {corpus}, pg_temp
AS $$
DECLARE
    touched bigint;
    named text;
BEGIN
    DELETE FROM publish_changes AS c USING publishes AS p
    WHERE c.publish_id = p.publish_id AND p.collection_id = dropped;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN QUERY SELECT 'publish_changes', touched;
    DELETE FROM quarantine AS q USING documents AS d
    WHERE q.document_id = d.document_id AND d.collection_id = dropped;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN QUERY SELECT 'quarantine', touched;
    FOREACH named IN ARRAY ARRAY[
        'heads', 'publishes', 'postponed', 'documents', 'gate_verdicts', 'confirmations', 'refreshes', 'wanted_texts',
        'claims', 'leases', 'collections'
    ] LOOP
        EXECUTE format('DELETE FROM %I WHERE collection_id = $1', named) USING dropped;
        GET DIAGNOSTICS touched = ROW_COUNT;
        RETURN QUERY SELECT named, touched;
    END LOOP;
    PERFORM note_ready(s.space_id) FROM spaces AS s;
END
$$;

-- A second index beside the live one, which readers go on using. One that an interrupted rebuild left goes first.
DROP FUNCTION IF EXISTS build_spare_index(integer);
CREATE OR REPLACE FUNCTION build_spare_index(space integer, memory_mb integer DEFAULT 512) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {corpus}, pg_temp
AS $$
DECLARE
    chosen CONSTANT spaces := known_space(space);
BEGIN
    EXECUTE format('DROP INDEX IF EXISTS %I', 'vectors_' || chosen.name || '_hnsw_spare');
    PERFORM prepare_index_build(memory_mb);
    PERFORM make_vector_index(chosen, 'vectors_' || chosen.name || '_hnsw_spare');
END
$$;

-- The spare index takes the live one's place and name. Readers behind it wait for seconds at most.
CREATE OR REPLACE FUNCTION swap_spare_index(space integer, counted bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {corpus}, pg_temp
SET lock_timeout = '200ms'
AS $$
DECLARE
    chosen CONSTANT spaces := known_space(space);
BEGIN
    EXECUTE format('DROP INDEX IF EXISTS %I', 'vectors_' || chosen.name || '_hnsw');
    EXECUTE format(
        'ALTER INDEX %I RENAME TO %I',
        'vectors_' || chosen.name || '_hnsw_spare', 'vectors_' || chosen.name || '_hnsw'
    );
    UPDATE spaces AS s SET retired = greatest(s.retired - counted, 0) WHERE s.space_id = space;
    PERFORM note_ready(space);
END
$$;

REVOKE ALL ON FUNCTION
hold_refreshes(), oldest_kept(integer, integer), garbage(integer, integer), forget_uris(text[]),
drop_collection(integer), build_spare_index(integer, integer), swap_spare_index(integer, bigint)
FROM public;
GRANT EXECUTE ON FUNCTION
hold_refreshes(), oldest_kept(integer, integer), garbage(integer, integer), forget_uris(text[]),
drop_collection(integer), build_spare_index(integer, integer), swap_spare_index(integer, bigint)
TO {pipeline};
