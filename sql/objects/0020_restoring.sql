-- Purpose: going back to an earlier publish: first the heads, which readers see, and afterwards the ledger.

-- What each document showed after a publish, by the ledger; a null chunk set says that it was taken away before.
-- Index: publishes (collection_id, number), publish_changes_by_publish.
CREATE OR REPLACE FUNCTION state_of(owning integer, upto integer)
RETURNS TABLE (document_id bigint, chunk_set_id bigint, link text, title text, metadata jsonb)
LANGUAGE sql STABLE
AS $$
SELECT DISTINCT ON (c.document_id)
    c.document_id,
    c.chunk_set_id,
    c.link,
    c.title,
    c.metadata
FROM publish_changes AS c
INNER JOIN publishes AS p ON c.publish_id = p.publish_id
WHERE p.collection_id = owning AND p.number <= upto
ORDER BY c.document_id ASC, c.publish_id DESC
$$;

-- The flip: heads become what they were after a publish, under the rules of who may read that hold now. Only rows that
-- differ are touched. Without nested loops the time stays in proportion, whatever the planner believes of the ledger.
-- Index: see state_of; heads_by_collection_id, heads_pkey.
CREATE OR REPLACE FUNCTION restore_heads(owning integer, named text, publish bigint, upto integer) RETURNS void
LANGUAGE plpgsql
SET search_path = {corpus}, pg_temp
SET enable_nestloop = off
SET work_mem = '64MB'
AS $$
BEGIN
    WITH given AS MATERIALIZED (
        SELECT
            -- One rule fits all: nothing is asked a row. Nor is it where nothing was ever described.
            (SELECT min(a.audience_id) FROM audiences AS a WHERE a.collection_id = owning HAVING count(*) = 1)
            AS audience_id,
            EXISTS (SELECT 1 FROM profiles) AS described
    ),
    differing AS MATERIALIZED (
        SELECT
            coalesce(p.document_id, h.document_id) AS document_id, h.document_id IS NOT NULL AS shown, p.chunk_set_id,
            p.link, p.title, p.metadata
        FROM state_of(owning, upto) AS p
        FULL JOIN (SELECT * FROM heads AS s WHERE s.collection_id = owning) AS h ON p.document_id = h.document_id
        WHERE
            (p.chunk_set_id IS NOT NULL OR h.document_id IS NOT NULL)
            AND (h.chunk_set_id, h.link, h.title, h.metadata)
            IS DISTINCT FROM (p.chunk_set_id, p.link, p.title, p.metadata)
    ),
    removed AS (
        DELETE FROM heads AS h USING differing AS d
        WHERE h.document_id = d.document_id AND d.chunk_set_id IS NULL
    ),
    moved AS (
        UPDATE heads AS h
        SET
            chunk_set_id = d.chunk_set_id,
            link = d.link,
            title = d.title,
            metadata = d.metadata,
            publish_id = publish,
            audience_id = coalesce(
                g.audience_id, (SELECT a.audience_id FROM audience_of(owning, h.uri, d.metadata) AS a)
            ),
            profile = CASE WHEN g.described THEN (
                SELECT shown_profile(s.elements_id, owning) FROM chunk_sets AS s WHERE s.chunk_set_id = d.chunk_set_id
            ) END
        FROM differing AS d
        CROSS JOIN given AS g
        WHERE h.document_id = d.document_id AND d.shown AND d.chunk_set_id IS NOT NULL
    )
    INSERT INTO heads (
        document_id, collection_id, collection, chunk_set_id, uri, link, title, metadata, publish_id, audience_id,
        profile
    )
    SELECT
        d.document_id, owning, named, d.chunk_set_id, o.uri, d.link, d.title, d.metadata, publish,
        coalesce(g.audience_id, (SELECT a.audience_id FROM audience_of(owning, o.uri, d.metadata) AS a)),
        CASE WHEN g.described THEN (
            SELECT shown_profile(s.elements_id, owning) FROM chunk_sets AS s WHERE s.chunk_set_id = d.chunk_set_id
        ) END
    FROM differing AS d
    INNER JOIN documents AS o ON d.document_id = o.document_id
    CROSS JOIN given AS g
    WHERE NOT d.shown;
END
$$;

-- The ledger of a rollback that has flipped and not been written down: what differs between the publish that it
-- restored and the one before it, with the counts. Both are in the ledger, so that it does not matter when this is
-- done; the pin keeps them from the garbage collection meanwhile. Nothing is done where nothing is left to write.
-- Index: publishes_not_written_down; see state_of.
CREATE OR REPLACE FUNCTION write_down_rollback(owning integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = {corpus}, pg_temp
SET enable_nestloop = off
SET work_mem = '64MB'
AS $$
DECLARE
    undone publishes;
BEGIN
    SELECT * INTO undone FROM publishes AS p WHERE p.collection_id = owning AND NOT p.written_down FOR NO KEY UPDATE;
    IF undone.publish_id IS NULL THEN
        RETURN false;
    END IF;
    WITH differing AS MATERIALIZED (
        SELECT
            coalesce(p.document_id, b.document_id) AS document_id, b.chunk_set_id AS shown, p.chunk_set_id, p.link,
            p.title, p.metadata
        FROM state_of(owning, undone.restores) AS p
        FULL JOIN state_of(owning, undone.number - 1) AS b ON p.document_id = b.document_id
        WHERE
            (p.chunk_set_id IS NOT NULL OR b.chunk_set_id IS NOT NULL)
            AND (b.chunk_set_id, b.link, b.title, b.metadata)
            IS DISTINCT FROM (p.chunk_set_id, p.link, p.title, p.metadata)
    ),
    written AS (
        INSERT INTO publish_changes (publish_id, document_id, chunk_set_id, link, title, metadata)
        SELECT undone.publish_id, d.document_id, d.chunk_set_id, d.link, d.title, d.metadata
        FROM differing AS d
    )
    UPDATE publishes AS p
    SET
        written_down = true,
        counts = (
            SELECT jsonb_build_object(
                'added', count(*) FILTER (WHERE d.shown IS NULL),
                'changed', count(*) FILTER (WHERE d.shown <> d.chunk_set_id),
                'metadata_only', count(*) FILTER (WHERE d.shown = d.chunk_set_id),
                'removed', count(*) FILTER (WHERE d.chunk_set_id IS NULL)
            )
            FROM differing AS d
        )
    WHERE p.publish_id = undone.publish_id;
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION
state_of(integer, integer), restore_heads(integer, text, bigint, integer), write_down_rollback(integer)
FROM public;
GRANT EXECUTE ON FUNCTION
state_of(integer, integer), restore_heads(integer, text, bigint, integer), write_down_rollback(integer)
TO {pipeline};
