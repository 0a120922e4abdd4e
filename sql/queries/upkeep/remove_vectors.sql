-- Purpose: remove the vectors of texts in a space.
-- Parameters: ids; identifier: vectors. Index: the vectors' primary key.
DELETE FROM {vectors}
WHERE text_id = ANY(%(ids)s::bigint[])
