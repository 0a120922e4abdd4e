-- Purpose: the grammar of filters. A filter is a jsonb object; it becomes a jsonpath and its variables, which are bound
-- like any value, and, where its outermost conditions allow it, values for the indexes on heads. Nothing that a caller
-- wrote becomes SQL.
--
--   {{"department": "ops", "year": {{"gte": 2024, "lt": 2026}}}}             every key has to hold
--   {{"collection": ["handbook", "notices"]}}                              one of
--   {{"or": [{{"uri": {{"prefix": "minutes/"}}}}, {{"not": {{"kind": "draft"}}}}]}}

DROP TYPE IF EXISTS head_filter CASCADE;
-- noqa: disable=LT01
CREATE TYPE head_filter AS (
    collections text[],
    uri_prefix text,
    contains jsonb,
    path jsonpath,
    variables jsonb,
    of_rows text[]
);
-- noqa: enable=LT01
COMMENT ON TYPE head_filter IS
'A filter, ready to be bound: what indexes can find, and for all the rest a jsonpath over the metadata with its
variables; of_rows names the variables that each row has to give.';

-- What a field of a filter is: its type, and how a jsonpath gets at it. Null where nobody knows the field.
CREATE OR REPLACE FUNCTION filter_field(written text, types jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
SELECT CASE
    WHEN written IN ('collection', 'uri', 'title', 'language') THEN ARRAY[written, 'string', '$' || written]
    WHEN written = 'publish' THEN ARRAY[written, 'integer', '$publish']
    WHEN written = 'published_at' THEN ARRAY[written, 'moment', '$published_at']
    WHEN written LIKE 'profile.%' AND types ? written
        THEN ARRAY[written, types ->> written, '$profile.' || to_jsonb(substr(written, 9))::text]
    WHEN types ? regexp_replace(written, '^metadata\.', '')
        THEN ARRAY[
            regexp_replace(written, '^metadata\.', ''),
            types ->> regexp_replace(written, '^metadata\.', ''),
            '$.' || to_jsonb(regexp_replace(written, '^metadata\.', ''))::text
        ]
END
$$;

-- A time as it is stored: in UTC where it has a zone, with a fraction of a second where it has one. Text then compares
-- as the time itself; one without a zone counts as UTC.
CREATE OR REPLACE FUNCTION datetime_text(written text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
SELECT
    to_char(t.moment, 'YYYY-MM-DD"T"HH24:MI:SS')
    || CASE WHEN date_trunc('second', t.moment) = t.moment THEN '' ELSE to_char(t.moment, '.US') END
    || CASE WHEN t.zoned THEN '+00:00' ELSE '' END
FROM (
    SELECT
        z.zoned,
        CASE WHEN z.zoned THEN written::timestamptz AT TIME ZONE 'UTC' ELSE written::timestamp END AS moment
    FROM (SELECT written ~ ':' AND written ~ '(Z|[+-]\d\d(:?\d\d)?)$' AS zoned) AS z
) AS t
$$;

CREATE OR REPLACE FUNCTION moment_text(moment timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') $$;

-- A value of a filter in the form in which the field is stored, so that text compares as the thing itself. Only ISO
-- 8601 is read as a date, so that no setting of the session decides what it means.
CREATE OR REPLACE FUNCTION filter_value(field text, type text, value jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    given text := jsonb_typeof(value);
    written text := value #>> '{{}}';
    wanted text := CASE
        WHEN type IN ('integer', 'number') THEN 'number'
        WHEN type = 'boolean' THEN 'boolean'
        ELSE 'string'
    END;
BEGIN
    IF type = 'any' AND given IN ('string', 'number', 'boolean') THEN
        RETURN value;
    ELSIF given <> wanted THEN
        RAISE EXCEPTION 'filter: % is of type %, and cannot be compared with %', field, type, value
            USING ERRCODE = 'invalid_parameter_value',
                HINT = format('Give a JSON %s.', wanted);
    ELSIF type NOT IN ('date', 'datetime', 'moment') THEN
        RETURN value;
    END IF;
    BEGIN
        IF type = 'date' AND written ~ '^\d{{4}}-\d\d-\d\d$' THEN
            RETURN to_jsonb(to_char(written::date, 'YYYY-MM-DD'));
        ELSIF type <> 'date'
            AND written ~ '^\d{{4}}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{{1,6}})?)?(Z|[+-]\d\d(:?\d\d)?)?)?$'
        THEN
            RETURN to_jsonb(CASE type
                WHEN 'moment' THEN moment_text(datetime_text(written)::timestamp AT TIME ZONE 'UTC')
                ELSE datetime_text(written)
            END);
        END IF;
    EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR invalid_time_zone_displacement_value THEN
        NULL;
    END;
    RAISE EXCEPTION 'filter: % is no %, which % wants', value, CASE type WHEN 'date' THEN 'date' ELSE 'time' END, field
        USING ERRCODE = 'invalid_parameter_value',
            HINT = CASE type WHEN 'date' THEN 'Write it as "2026-04-01".' ELSE 'Write it as "2026-04-01" or "2026-04-01T09:30:00+09:00".' END;
END
$$;

-- One condition as a piece of jsonpath; its value goes into the variables. A piece is true or false, never unknown, so
-- that its negation holds for all other documents: what is of another type, as it may be where collections declare a
-- field differently, or null, does not fit.
CREATE OR REPLACE FUNCTION filter_condition(
    field text[], operator text, value jsonb, INOUT variables jsonb, OUT piece text
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    name text := 'v' || (SELECT count(*) FROM jsonb_object_keys(variables));
    given text := jsonb_typeof(value);
    absent text := format('(!(exists(%s ? (@ != null))))', field[3]);
    bound jsonb;
BEGIN
    IF operator NOT IN ('eq', 'ne', 'in', 'gt', 'gte', 'lt', 'lte', 'prefix', 'exists') THEN
        RAISE EXCEPTION 'filter: "%" of % is no operator', operator, field[1]
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Operators are eq, ne, in, gt, gte, lt, lte, prefix, exists.';
    ELSIF operator = 'in' AND given <> 'array' THEN
        RAISE EXCEPTION 'filter: "in" of % wants a list', field[1]
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Write {{"in": ["a", "b"]}}, or just ["a", "b"].';
    ELSIF operator = 'exists' AND given <> 'boolean' THEN
        RAISE EXCEPTION 'filter: "exists" of % is true or false', field[1]
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Write {{"exists": true}}.';
    ELSIF operator <> 'in' AND given IN ('array', 'object') THEN
        RAISE EXCEPTION 'filter: "%" of % wants one value', operator, field[1]
            USING ERRCODE = 'invalid_parameter_value', HINT = 'A list belongs to "in".';
    ELSIF operator = 'prefix' AND (field[2] NOT IN ('string', 'strings', 'any') OR given <> 'string') THEN
        RAISE EXCEPTION 'filter: "prefix" is for text, and % is of type %', field[1], field[2]
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use gte, gt, lte and lt for ranges.';
    ELSIF operator IN ('gt', 'gte', 'lt', 'lte') AND given = 'null' THEN
        RAISE EXCEPTION 'filter: "%" of % wants a value, not null', operator, field[1]
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Write {{"exists": false}} for what has no value.';
    ELSIF operator = 'exists' THEN
        piece := CASE WHEN value = 'true' THEN '(!' || absent || ')' ELSE absent END;
        RETURN;
    ELSIF given = 'null' THEN
        piece := CASE operator WHEN 'eq' THEN absent ELSE '(!' || absent || ')' END;
        RETURN;
    ELSIF operator = 'in' THEN
        SELECT coalesce(jsonb_agg(filter_value(field[1], field[2], v.item)), '[]') INTO bound
        FROM jsonb_array_elements(value) AS v (item)
        WHERE v.item <> 'null';
        piece := format('(%s == $%s[*])', field[3], name);
    ELSE
        bound := filter_value(field[1], field[2], value);
        piece := format(
            '(%s %s $%s)', field[3],
            CASE operator WHEN 'gt' THEN '>' WHEN 'gte' THEN '>=' WHEN 'lt' THEN '<' WHEN 'lte' THEN '<='
                WHEN 'prefix' THEN 'starts with' ELSE '==' END,
            name
        );
    END IF;
    variables := variables || jsonb_build_object(name, bound);
    IF field[2] = 'any' OR operator = 'prefix' THEN
        piece := format('(%1$s && !((%1$s) is unknown))', piece);
    END IF;
    IF operator = 'in' AND value @> '[null]' THEN
        piece := '(' || piece || ' || ' || absent || ')';
    ELSIF operator = 'ne' THEN
        piece := '(!' || piece || ')';
    END IF;
END
$$;

-- A filter as jsonpath. The depth is bounded, since each level is a call.
CREATE OR REPLACE FUNCTION filter_path(filter jsonb, types jsonb, depth integer, INOUT variables jsonb, OUT path text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    pieces text[] := '{{}}';
    inner_pieces text[];
    entry record;
    condition record;
    member jsonb;
    field text[];
BEGIN
    IF jsonb_typeof(filter) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'filter: % is no filter', coalesce(jsonb_typeof(filter), 'null')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'A filter is a JSON object, as {{"collection": "handbook"}}.';
    ELSIF depth > 20 OR (SELECT count(*) FROM jsonb_object_keys(variables)) > 500 THEN
        RAISE EXCEPTION 'filter: it is nested too deeply, or too large'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'At most 20 levels and 500 conditions; put values into "in".';
    END IF;
    FOR entry IN SELECT e.key, e.value FROM jsonb_each(filter) AS e LOOP
        IF entry.key IN ('and', 'or') THEN
            IF jsonb_typeof(entry.value) <> 'array' OR jsonb_array_length(entry.value) = 0 THEN
                RAISE EXCEPTION 'filter: "%" wants a list of filters', entry.key
                    USING ERRCODE = 'invalid_parameter_value',
                        HINT = format('Write {{"%s": [{{...}}, {{...}}]}}; a metadata field of that name is metadata.%s.',
                            entry.key, entry.key);
            END IF;
            inner_pieces := '{{}}';
            FOR member IN SELECT m.value FROM jsonb_array_elements(entry.value) AS m LOOP
                SELECT f.variables, f.path INTO variables, path FROM filter_path(member, types, depth + 1, variables) AS f;
                inner_pieces := inner_pieces || path;
            END LOOP;
            pieces := pieces || ('(' || array_to_string(inner_pieces, CASE entry.key WHEN 'and' THEN ' && ' ELSE ' || ' END) || ')');
        ELSIF entry.key = 'not' THEN
            SELECT f.variables, f.path INTO variables, path FROM filter_path(entry.value, types, depth + 1, variables) AS f;
            pieces := pieces || ('(!' || path || ')');
        ELSE
            field := filter_field(entry.key, types);
            IF field IS NULL THEN
                RAISE EXCEPTION 'filter: "%" is no field that is known here', entry.key
                    USING ERRCODE = 'invalid_parameter_value',
                        HINT = 'Fields are collection, uri, title, language, publish, published_at, and in the metadata: '
                            || coalesce((SELECT string_agg(k, ', ' ORDER BY k) FROM jsonb_object_keys(types) AS k), 'none') || '.';
            END IF;
            IF entry.value = '{{}}' THEN
                RAISE EXCEPTION 'filter: nothing is asked of %', field[1]
                    USING ERRCODE = 'invalid_parameter_value', HINT = 'Write {{"exists": true}} for any value.';
            END IF;
            FOR condition IN
                SELECT c.key, c.value FROM jsonb_each(CASE jsonb_typeof(entry.value)
                    WHEN 'object' THEN entry.value
                    WHEN 'array' THEN jsonb_build_object('in', entry.value)
                    ELSE jsonb_build_object('eq', entry.value)
                END) AS c
            LOOP
                SELECT f.variables, f.piece INTO variables, path
                FROM filter_condition(field, condition.key, condition.value, variables) AS f;
                pieces := pieces || path;
            END LOOP;
        END IF;
    END LOOP;
    path := CASE WHEN cardinality(pieces) = 0 THEN '(1 == 1)' ELSE '(' || array_to_string(pieces, ' && ') || ')' END;
END
$$;

-- A filter, checked against the fields that are known and made ready to be bound.
CREATE OR REPLACE FUNCTION compiled_filter(filter jsonb, types jsonb) RETURNS head_filter
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    made head_filter;
    left_over jsonb := filter;
    compiled record;
    entry record;
    field text[];
BEGIN
    IF filter IS NULL OR filter = '{{}}' THEN
        RETURN made;
    END IF;
    SELECT f.path, f.variables INTO compiled FROM filter_path(filter, types, 0, '{{}}') AS f;
    -- What stands outermost and is plain enough is found through an index, and need not be asked again.
    FOR entry IN SELECT e.key, e.value, jsonb_typeof(e.value) AS kind FROM jsonb_each(filter) AS e LOOP
        CONTINUE WHEN entry.key IN ('and', 'or', 'not');
        field := filter_field(entry.key, types);
        IF field[1] = 'collection' AND field[3] = '$collection' AND entry.kind IN ('string', 'array')
            AND NOT jsonb_path_exists(entry.value, '$[*] ? (@ == null)')
        THEN
            made.collections := ARRAY(
                SELECT v.item
                FROM jsonb_array_elements_text(CASE entry.kind WHEN 'array' THEN entry.value
                    ELSE jsonb_build_array(entry.value) END) AS v (item)
            );
            left_over := left_over - entry.key;
        ELSIF field[3] = '$uri' AND entry.kind = 'object' AND jsonb_typeof(entry.value -> 'prefix') = 'string' THEN
            made.uri_prefix := entry.value ->> 'prefix';
            left_over := left_over - (CASE WHEN entry.value - 'prefix' = '{{}}' THEN entry.key ELSE '' END);
        ELSIF field[3] LIKE '$.%' AND field[2] <> 'any' AND entry.kind IN ('string', 'number', 'boolean')
            AND NOT coalesce(made.contains ? field[1], false)
        THEN
            made.contains := coalesce(made.contains, '{{}}') || jsonb_build_object(
                field[1],
                CASE WHEN field[2] = 'strings' THEN jsonb_build_array(entry.value)
                    ELSE filter_value(field[1], field[2], entry.value) END
            );
            left_over := left_over - entry.key;
        END IF;
    END LOOP;
    IF left_over <> '{{}}' THEN
        SELECT f.path::jsonpath, f.variables INTO made.path, made.variables
        FROM filter_path(left_over, types, 0, '{{}}') AS f;
        made.of_rows := ARRAY(
            SELECT DISTINCT m.found[1]
            FROM regexp_matches(made.path::text, '\$"(collection|uri|title|language|publish|published_at|profile)"', 'g') AS m (found)
        );
    END IF;
    RETURN made;
END
$$;
