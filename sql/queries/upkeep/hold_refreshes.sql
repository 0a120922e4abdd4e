-- Purpose: let no refresh commit anything until this transaction ends.
-- Parameters: none.
SELECT hold_refreshes()
