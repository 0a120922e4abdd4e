-- Purpose: let go of whatever a collection's refreshes, this one and dead ones before it, have claimed; in the order
-- in which texts are claimed, so that nobody deadlocks.
-- Parameters: collection_id, token. Index: claims_by_collection.
DELETE FROM claims AS c
USING (
    SELECT
        held.space_id,
        held.text_id
    FROM claims AS held
    WHERE held.collection_id = %(collection_id)s AND held.token <= %(token)s
    ORDER BY held.space_id, held.text_id
    FOR UPDATE
) AS mine
WHERE c.space_id = mine.space_id AND c.text_id = mine.text_id
