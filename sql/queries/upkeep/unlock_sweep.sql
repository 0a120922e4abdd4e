-- Purpose: let the next garbage collection in.
-- Parameters: none.
SELECT pg_advisory_unlock(hashtext(current_schema() || ' sweep')) AS unlocked
