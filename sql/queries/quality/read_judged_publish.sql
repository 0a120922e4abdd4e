-- Purpose: the publish before this one, if golden questions were judged with it.
-- Parameters: collection_id, publish_id, space_id. Index: golden_figures_pkey, publishes (collection_id, number).
SELECT max(p.publish_id) AS publish_id
FROM publishes AS p
WHERE
    p.collection_id = %(collection_id)s
    AND p.publish_id < %(publish_id)s
    AND EXISTS (
        SELECT 1 FROM golden_figures AS f
        WHERE f.publish_id = p.publish_id AND f.space_id = %(space_id)s
    )
