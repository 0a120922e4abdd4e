-- Purpose: who may read what. Everything that readers see hangs on a head, and each head belongs to an audience: so
-- what a caller may see is a list of audiences, in the policies behind the views and in the search functions alike.

-- Who asks: inside a definer function and below a view alike, the role that was set, else the login. A setting that
-- anybody can make is no identity; this one can only be set to a role that one has.
CREATE OR REPLACE FUNCTION calling_role() RETURNS name
LANGUAGE sql STABLE PARALLEL RESTRICTED
AS $$ SELECT coalesce(nullif(current_setting('role'), 'none'), session_user)::name $$;

-- The audiences that the caller belongs to: those open to every reader, and those that name a role whose rights the
-- caller has. Asked anew by each statement, so that a REVOKE holds at once, also of the role that a session had set
-- before: who is logged in has to be its member still. The pipeline and superusers see all.
CREATE OR REPLACE FUNCTION visible_audiences() RETURNS integer[]
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = {corpus}, pg_temp
AS $$
SELECT coalesce(array_agg(a.audience_id), '{{}}')
FROM audiences AS a
CROSS JOIN (
    SELECT
        r.oid AS caller,
        r.rolsuper OR pg_has_role(r.oid, '{pipeline}'::regrole, 'USAGE') AS unbound
    FROM pg_roles AS r
    WHERE r.rolname = calling_role() AND pg_has_role(session_user, r.oid, 'MEMBER')
) AS asking
WHERE
    asking.unbound
    OR a.readers IS NULL
    OR EXISTS (
        SELECT 1 FROM pg_roles AS allowed
        WHERE allowed.rolname = ANY(a.readers) AND pg_has_role(asking.caller, allowed.oid, 'USAGE')
    )
$$;
REVOKE ALL ON FUNCTION visible_audiences() FROM public;
GRANT EXECUTE ON FUNCTION calling_role(), visible_audiences() TO {reader}, {pipeline}, {view};

-- The audience of a document: that of the first rule that fits. What is attached to a mail is below every path that the
-- mail's file is below. Letters that a file system takes apart (macOS) equal the same letters in one piece.
CREATE OR REPLACE FUNCTION audience_of(owning integer, uri text, metadata jsonb) RETURNS TABLE (audience_id integer)
LANGUAGE sql STABLE
AS $$
SELECT a.audience_id
FROM audiences AS a
WHERE
    a.collection_id = audience_of.owning
    AND (
        a.pattern IS NULL
        OR normalize(audience_of.uri) ~ a.pattern
        OR (
            strpos(audience_of.uri, '!/') > 0
            AND EXISTS (
                SELECT 1 FROM documents AS d
                WHERE
                    d.collection_id = audience_of.owning
                    AND d.uri = audience_of.uri
                    AND normalize(d.root_uri) ~ a.pattern
            )
        )
    )
    AND (a.contains IS NULL OR audience_of.metadata @> a.contains)
ORDER BY a.place
LIMIT 1
$$;
