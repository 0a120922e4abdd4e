-- Purpose: note that a collection is complete in spaces in which the publish demanded everything; touches no row where
-- that is known.
-- Parameters: collection_id, space_ids. Index: space_fills_pkey.
INSERT INTO space_fills (collection_id, space_id)
SELECT
    %(collection_id)s,
    f.space_id
FROM unnest(%(space_ids)s::integer[]) AS f (space_id)
WHERE
    EXISTS (
        SELECT 1 FROM heads AS h
        WHERE h.collection_id = %(collection_id)s
    )
ON CONFLICT DO NOTHING
RETURNING space_id
