-- Purpose: how far each collection that asks for profiles is: documents that show one, contents that wait for one, and
-- contents that could not be described, with the commonest reason; and why the last attempt failed, while anything
-- waits because of it.
-- Parameters: none. Index: heads_by_collection_id; see the view unprofiled.
SELECT
    n.name AS collection,
    (
        SELECT count(*) FROM heads AS h
        WHERE h.collection_id = n.collection_id AND h.profile IS NOT null
    ) AS described,
    count(w.elements_id) FILTER (WHERE w.reason IS null) AS waiting,
    count(w.elements_id) FILTER (WHERE w.reason IS NOT null) AS failed,
    mode() WITHIN GROUP (ORDER BY w.reason) FILTER (WHERE w.reason IS NOT null) AS reason,
    CASE
        WHEN n.profile_recipe_id IS null OR count(w.elements_id) FILTER (WHERE w.reason IS null) > 0
            THEN n.profile_failure
    END AS failure
FROM collections AS n
LEFT JOIN unprofiled AS w ON n.collection_id = w.collection_id
WHERE n.profile_recipe_id IS NOT null OR n.profile_failure IS NOT null
GROUP BY n.collection_id, n.name
ORDER BY n.name
