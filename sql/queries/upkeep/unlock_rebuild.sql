-- Purpose: let the next rebuild of a space's index in.
-- Parameters: space_id.
SELECT pg_advisory_unlock(hashtext(current_schema() || ' rebuild'), %(space_id)s::integer) AS unlocked
