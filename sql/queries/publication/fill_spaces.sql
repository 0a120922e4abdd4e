-- Purpose: note in which spaces a collection is complete: each published text has an audited vector there, or a
-- recorded refusal. From the commit on every publish demands it. Touches no row where that is known.
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
