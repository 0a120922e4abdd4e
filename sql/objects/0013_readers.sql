-- Purpose: declaring who may read what, and the policies by which the views keep to it.

-- Have a collection's rules be these, from the commit on: an array of objects with pattern, contains and readers, in
-- order; the last one fits every document. Where only roles changed no head is touched. Returns how many heads were.
CREATE OR REPLACE FUNCTION declare_readers(owning integer, rules jsonb, digest text, types jsonb) RETURNS bigint
LANGUAGE plpgsql
SET search_path = {corpus}, pg_temp
AS $$
DECLARE
    moved bigint := 0;
    same boolean;
BEGIN
    -- A publish that began before this waits here, or fails and begins again: it moves no head by the old rules.
    UPDATE collections AS c SET readers_digest = digest, metadata_types = types WHERE c.collection_id = owning;
    SELECT coalesce(array_agg(ROW(a.pattern, a.contains) ORDER BY a.place), '{{}}') = coalesce((
        SELECT array_agg(ROW(r.rule ->> 'pattern', r.rule -> 'contains') ORDER BY r.nth)
        FROM jsonb_array_elements(rules) WITH ORDINALITY AS r (rule, nth)
    ), '{{}}')
    INTO same
    FROM audiences AS a
    WHERE a.collection_id = owning;
    INSERT INTO audiences AS a (collection_id, place, pattern, contains, readers)
    SELECT
        owning,
        CASE WHEN r.nth = jsonb_array_length(rules) THEN 32767 ELSE r.nth END,
        r.rule ->> 'pattern',
        r.rule -> 'contains',
        CASE WHEN r.rule ? 'readers' THEN ARRAY(SELECT jsonb_array_elements_text(r.rule -> 'readers')) END
    FROM jsonb_array_elements(rules) WITH ORDINALITY AS r (rule, nth)
    ON CONFLICT (collection_id, place) DO UPDATE
        SET pattern = excluded.pattern, contains = excluded.contains, readers = excluded.readers;
    IF same THEN
        RETURN 0;
    END IF;
    -- Rules that are no more come after the last one, which fits all: no document is theirs from here on.
    UPDATE audiences AS a SET place = 32767 + a.place
    WHERE a.collection_id = owning AND a.place <> 32767 AND a.place >= jsonb_array_length(rules);
    UPDATE heads AS h SET audience_id = fits.audience_id
    FROM heads AS old
    CROSS JOIN LATERAL audience_of(old.collection_id, old.uri, old.metadata) AS fits
    WHERE
        h.document_id = old.document_id
        AND old.collection_id = owning
        AND h.audience_id <> fits.audience_id;
    GET DIAGNOSTICS moved = ROW_COUNT;
    DELETE FROM audiences AS a
    WHERE a.collection_id = owning AND a.place > 32767;
    IF moved > 0 THEN
        PERFORM recount_terms(owning);
    END IF;
    RETURN moved;
END
$$;

ALTER TABLE heads ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS of_the_pipeline ON heads;
CREATE POLICY of_the_pipeline ON heads TO {pipeline} USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS of_the_caller ON heads;
CREATE POLICY of_the_caller ON heads FOR SELECT TO {view}
USING (audience_id = ANY((SELECT visible_audiences())::integer[]));

REVOKE ALL ON FUNCTION declare_readers(integer, jsonb, text, jsonb) FROM public;
GRANT EXECUTE ON FUNCTION declare_readers(integer, jsonb, text, jsonb) TO {pipeline};
