-- Purpose: all spaces as a collection meets them: whether it is complete there; the live one first, then those in which
-- it is complete, then those that are being filled.
-- Parameters: collection_id. Index: space_fills_pkey, heads_by_collection_id.
SELECT
    s.*,
    f.space_id IS NOT null AS filled,
    EXISTS(
        SELECT 1 FROM heads AS h
        WHERE h.collection_id = %(collection_id)s
    ) AS published
FROM known_spaces AS s
LEFT JOIN space_fills AS f ON s.space_id = f.space_id AND f.collection_id = %(collection_id)s
ORDER BY s.live DESC, filled DESC, s.space_id ASC
