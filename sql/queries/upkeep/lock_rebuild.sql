-- Purpose: one rebuild of a space's index at a time; held until the session ends or gives it back.
-- Parameters: space_id.
SELECT pg_try_advisory_lock(hashtext(current_schema() || ' rebuild'), %(space_id)s::integer) AS locked
