-- Purpose: write down what a rollback moved that has flipped; false where there is none.
-- Parameters: collection_id. Index: see the function write_down_rollback.
SELECT write_down_rollback(%(collection_id)s) AS written
