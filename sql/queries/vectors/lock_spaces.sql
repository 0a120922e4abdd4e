-- Purpose: one refresh at a time makes a space; held until the transaction ends.
-- Parameters: none.
SELECT pg_advisory_xact_lock(hashtext(current_schema() || ' spaces'))
