-- Purpose: document frequencies and lengths, which belong to what is published: they follow the heads in the transaction
-- that moves these. By audience, so that scores tell nothing of documents that a caller may not see.

-- Add a difference: how many more chunks of an audience hold a text than before. A text that stays costs nothing.
CREATE OR REPLACE FUNCTION add_terms(audience_ids integer[], text_ids bigint[], differences integer[]) RETURNS void
LANGUAGE plpgsql
SET search_path = {corpus}, pg_temp
SET work_mem = '64MB'
AS $$
BEGIN
    INSERT INTO term_counts AS c (audience_id, term, chunks)
    SELECT d.audience_id, l.lexeme, sum(d.difference)
    FROM unnest(audience_ids, text_ids, differences) AS d (audience_id, text_id, difference)
    INNER JOIN texts AS t ON d.text_id = t.text_id
    CROSS JOIN LATERAL unnest(tsvector_to_array(t.lexemes)) AS l (lexeme)
    GROUP BY d.audience_id, l.lexeme COLLATE "C", l.lexeme
    HAVING sum(d.difference) <> 0
    ON CONFLICT (term, audience_id) DO UPDATE SET chunks = c.chunks + excluded.chunks;
    DELETE FROM term_counts AS c
    WHERE
        c.chunks <= 0
        AND c.term IN (
            SELECT l.lexeme
            FROM unnest(text_ids, differences) AS d (text_id, difference)
            INNER JOIN texts AS t ON d.text_id = t.text_id
            CROSS JOIN LATERAL unnest(tsvector_to_array(t.lexemes)) AS l (lexeme)
            WHERE d.difference < 0
        );
    INSERT INTO audience_sizes AS s (audience_id, chunks, terms)
    SELECT d.audience_id, sum(d.difference), sum(d.difference * t.terms::bigint)
    FROM unnest(audience_ids, text_ids, differences) AS d (audience_id, text_id, difference)
    INNER JOIN texts AS t ON d.text_id = t.text_id
    GROUP BY d.audience_id
    ON CONFLICT (audience_id) DO UPDATE SET chunks = s.chunks + excluded.chunks, terms = s.terms + excluded.terms;
END
$$;

-- Count a collection from nothing. One at a time: two that count side by side would add up to twice as much.
CREATE OR REPLACE FUNCTION recount_terms(owning integer) RETURNS void
LANGUAGE plpgsql
SET search_path = {corpus}, pg_temp
AS $$
BEGIN
    PERFORM FROM collections AS c WHERE c.collection_id = owning FOR NO KEY UPDATE;
    DELETE FROM term_counts AS c USING audiences AS a
    WHERE c.audience_id = a.audience_id AND a.collection_id = owning;
    DELETE FROM audience_sizes AS s USING audiences AS a
    WHERE s.audience_id = a.audience_id AND a.collection_id = owning;
    PERFORM add_terms(array_agg(n.audience_id), array_agg(n.text_id), array_agg(n.chunks))
    FROM (
        SELECT h.audience_id, k.text_id, count(*)::integer AS chunks
        FROM heads AS h
        INNER JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id
        WHERE h.collection_id = owning
        GROUP BY h.audience_id, k.text_id
    ) AS n;
    UPDATE collections AS c
    SET terms_counted_at = coalesce((SELECT max(p.publish_id) FROM publishes AS p WHERE p.collection_id = owning), 0)
    WHERE c.collection_id = owning;
END
$$;

-- Count what a publish is about to move, before its heads move. Where an earlier count was left out, as after a
-- rollback, nothing is added here: the caller counts from nothing, after the heads have moved.
CREATE OR REPLACE FUNCTION count_terms_of(publish bigint, owning integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = {corpus}, pg_temp
AS $$
DECLARE
    counted boolean;
BEGIN
    PERFORM FROM collections AS c WHERE c.collection_id = owning FOR NO KEY UPDATE;
    SELECT coalesce(c.terms_counted_at, 0) = coalesce((
        SELECT max(p.publish_id) FROM publishes AS p WHERE p.collection_id = owning AND p.publish_id < publish
    ), 0)
    INTO counted
    FROM collections AS c
    WHERE c.collection_id = owning;
    IF NOT counted THEN
        RETURN false;
    END IF;
    PERFORM add_terms(array_agg(n.audience_id), array_agg(n.text_id), array_agg(n.difference))
    FROM (
        SELECT m.audience_id, m.text_id, sum(m.difference)::integer AS difference
        FROM (
            SELECT h.audience_id, k.text_id, -1 AS difference
            FROM publish_changes AS c
            INNER JOIN heads AS h ON c.document_id = h.document_id
            INNER JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id
            WHERE c.publish_id = publish
            UNION ALL
            SELECT a.audience_id, k.text_id, 1
            FROM publish_changes AS c
            INNER JOIN documents AS d ON c.document_id = d.document_id
            CROSS JOIN LATERAL audience_of(owning, d.uri, c.metadata) AS a
            INNER JOIN chunks AS k ON c.chunk_set_id = k.chunk_set_id
            WHERE c.publish_id = publish
        ) AS m
        GROUP BY m.audience_id, m.text_id
        HAVING sum(m.difference) <> 0
    ) AS n;
    UPDATE collections AS c SET terms_counted_at = publish WHERE c.collection_id = owning;
    RETURN true;
END
$$;

-- Take the chunks of documents out of the counts, before their heads go. Where an earlier count was left out, as after a
-- rollback that was cut off, the collection is counted from nothing first: what is counted may hold words that no head
-- shows any more.
CREATE OR REPLACE FUNCTION forget_terms(document_ids bigint[]) RETURNS void
LANGUAGE plpgsql
SET search_path = {corpus}, pg_temp
AS $$
BEGIN
    PERFORM FROM collections AS c
    WHERE c.collection_id IN (
        SELECT d.collection_id FROM documents AS d WHERE d.document_id = ANY(forget_terms.document_ids)
    )
    FOR NO KEY UPDATE;
    PERFORM recount_terms(c.collection_id)
    FROM collections AS c
    WHERE
        c.collection_id IN (
            SELECT d.collection_id FROM documents AS d WHERE d.document_id = ANY(forget_terms.document_ids)
        )
        AND c.terms_counted_at IS DISTINCT FROM coalesce(
            (SELECT max(p.publish_id) FROM publishes AS p WHERE p.collection_id = c.collection_id), 0
        );
    PERFORM add_terms(array_agg(n.audience_id), array_agg(n.text_id), array_agg(n.difference))
    FROM (
        SELECT h.audience_id, k.text_id, -count(*)::integer AS difference
        FROM heads AS h
        INNER JOIN chunks AS k ON h.chunk_set_id = k.chunk_set_id
        WHERE h.document_id = ANY(forget_terms.document_ids)
        GROUP BY h.audience_id, k.text_id
    ) AS n;
END
$$;

REVOKE ALL ON FUNCTION
add_terms(integer[], bigint[], integer[]), recount_terms(integer), count_terms_of(bigint, integer), forget_terms(bigint[])
FROM public;
GRANT EXECUTE ON FUNCTION
add_terms(integer[], bigint[], integer[]), recount_terms(integer), count_terms_of(bigint, integer), forget_terms(bigint[])
TO {pipeline};
