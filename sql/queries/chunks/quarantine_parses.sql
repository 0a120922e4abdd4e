-- Purpose: hold back every document of a collection that has one of these parses, which could not be cut.
-- Parameters: collection_id, recipe_id, reason, and elements_ids and details of equal length.
-- Index: elements_pkey, documents (content_hash); see hold_back.
SELECT hold_back(d.document_id, 'chunks', %(reason)s, f.detail, d.content_hash, %(recipe_id)s)
FROM unnest(%(elements_ids)s::bigint[], %(details)s::text[]) AS f (elements_id, detail)
INNER JOIN elements AS e ON f.elements_id = e.elements_id
INNER JOIN documents AS d ON e.content_hash = d.content_hash AND e.format = d.format
WHERE d.collection_id = %(collection_id)s AND d.vanished_at IS null
