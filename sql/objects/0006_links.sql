-- Purpose: the address that a citation of a document points to.

-- Letters, digits and what else may stand in a path stay; every other character becomes its bytes as %XX.
CREATE OR REPLACE FUNCTION percent_encoded(written text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
SELECT CASE WHEN written ~ '^[A-Za-z0-9/._~-]*$' THEN written ELSE (
    SELECT coalesce(string_agg(
        CASE
            WHEN c.one ~ '^[A-Za-z0-9/._~-]$' THEN c.one
            ELSE regexp_replace(upper(encode(convert_to(c.one, 'UTF8'), 'hex')), '(..)', '%\1', 'g')
        END, '' ORDER BY c.place
    ), '')
    FROM unnest(string_to_array(written, null)) WITH ORDINALITY AS c (one, place)
) END
$$;

-- Fills a template: parts of the path by their names, then declared fields. Null where a field has no value: no link is
-- better than a broken one. {{page}} stays, for it depends on the passage. What is put in holds no brace, so that
-- nothing is filled twice.
CREATE OR REPLACE FUNCTION link_of(
    template text, parts text[], fields text[], uri text, metadata jsonb
) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    placeholder text;
    value text;
    filled text := template;
    name text := regexp_replace(uri, '^.*/', '');
BEGIN
    FOREACH placeholder IN ARRAY parts || fields LOOP
        value := CASE
            WHEN placeholder = ANY(fields) THEN metadata ->> placeholder
            WHEN placeholder = 'uri' THEN uri
            WHEN placeholder = 'name' THEN name
            WHEN placeholder = 'folder' THEN coalesce(substring(uri FROM '^(.*)/'), '')
            WHEN placeholder = 'stem' THEN regexp_replace(name, '(.)\.[^.]*$', '\1')
        END;
        filled := replace(filled, '{{' || placeholder || '}}', percent_encoded(value));
    END LOOP;
    RETURN filled;
END
$$;
