-- Purpose: write down what a stage did, while its run holds the collection.
-- Parameters: refresh_id, stage, report, collection_id, token. Index: refreshes_pkey, leases_pkey.
UPDATE refreshes
SET stages = stages || jsonb_build_object(%(stage)s::text, %(report)s::jsonb)
WHERE
    refresh_id = %(refresh_id)s
    AND EXISTS (
        SELECT
        FROM leases AS l
        WHERE l.collection_id = %(collection_id)s AND l.token = %(token)s
    )
