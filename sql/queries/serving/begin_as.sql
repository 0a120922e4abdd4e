-- Purpose: make a transaction one that only reads, has pgvector's types at hand, ends in time, and is somebody's. The
-- role comes last: what stands before is read as the login. Bound like any value, and gone with the transaction.
-- Parameters: milliseconds (as text), role.
SELECT
    set_config('transaction_read_only', 'on', true) AS reads,
    set_config('statement_timeout', %(milliseconds)s, true) AS ends,
    set_config(
        'search_path',
        coalesce((
            SELECT quote_ident(n.nspname)
            FROM pg_extension AS e
            INNER JOIN pg_namespace AS n ON e.extnamespace = n.oid
            WHERE e.extname = 'vector'
        ), 'public') || ', pg_temp',
        true
    ) AS types,
    set_config('role', %(role)s, true) AS role
