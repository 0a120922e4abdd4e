-- Purpose: have the parses of a collection that could not be described tried again.
-- Parameters: collection_id. Index: see the view unprofiled.
DELETE FROM profile_failures AS f
USING unprofiled AS w
WHERE w.collection_id = %(collection_id)s AND f.elements_id = w.elements_id AND f.recipe_id = w.recipe_id
