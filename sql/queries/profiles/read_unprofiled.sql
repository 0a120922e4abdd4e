-- Purpose: the parses of a collection that wait for a profile, without those that were tried in vain.
-- Parameters: collection_id. Index: see the view unprofiled.
SELECT w.elements_id
FROM unprofiled AS w
WHERE w.collection_id = %(collection_id)s AND w.reason IS null
ORDER BY w.elements_id
