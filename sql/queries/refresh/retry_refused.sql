-- Purpose: let texts that the endpoint refused, and that wait to be published, be sent again.
-- Parameters: collection_id. Index: text_failures_pkey.
DELETE FROM text_failures AS f
USING candidate_texts AS c
WHERE f.text_id = c.text_id AND c.collection_id = %(collection_id)s
