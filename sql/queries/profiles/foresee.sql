-- Purpose: the parses that a collection shows and that have no profile under declared settings, before these are in
-- force: how many, and how many bytes of text they have.
-- Parameters: name, stage, declared. Index: collections (name), profiles (elements_id, recipe_id).
SELECT
    count(*) AS documents,
    coalesce(sum(octet_length(e.text)), 0)::bigint AS bytes
FROM (
    SELECT DISTINCT s.elements_id
    FROM collections AS c
    INNER JOIN heads AS h ON c.collection_id = h.collection_id
    INNER JOIN chunk_sets AS s ON h.chunk_set_id = s.chunk_set_id
    WHERE c.name = %(name)s
) AS shown
INNER JOIN elements AS e ON shown.elements_id = e.elements_id
WHERE
    NOT EXISTS (
        SELECT 1
        FROM profiles AS p
        INNER JOIN recipes AS r ON p.recipe_id = r.recipe_id
        WHERE p.elements_id = e.elements_id AND r.stage = %(stage)s AND r.declared = %(declared)s
    )
    AND NOT EXISTS (
        SELECT 1
        FROM profile_failures AS f
        INNER JOIN recipes AS r ON f.recipe_id = r.recipe_id
        WHERE f.elements_id = e.elements_id AND r.stage = %(stage)s AND r.declared = %(declared)s
    )
