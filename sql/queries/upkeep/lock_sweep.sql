-- Purpose: one garbage collection at a time; held until the session ends or gives it back.
-- Parameters: none.
SELECT pg_try_advisory_lock(hashtext(current_schema() || ' sweep')) AS locked
