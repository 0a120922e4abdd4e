-- Purpose: give a declared collection its number, and an audience; writes only the first time.
-- Parameters: name. Index: collections (name).
WITH declared AS (
    INSERT INTO collections (name)
    VALUES (%(name)s)
    ON CONFLICT (name) DO NOTHING
    RETURNING collection_id
)

INSERT INTO audiences (collection_id, place)
SELECT
    d.collection_id,
    32767
FROM declared AS d
