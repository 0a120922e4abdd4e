-- Purpose: faulty vectors of texts that nothing shows: a later document with such a text would take them as they are.
-- Parameters: space_id; identifier: vectors. Index: chunks_by_text.
SELECT
    f.kind,
    null::text AS collection,
    count(*) AS found,
    (array_agg(f.text_id::text ORDER BY f.text_id))[1:5] AS examples
FROM (
    SELECT
        v.text_id,
        vector_fault(v.embedding, v.digest, s.dimensions, s.normalised) AS kind
    FROM {vectors} AS v
    INNER JOIN spaces AS s ON s.space_id = %(space_id)s
) AS f
WHERE
    f.kind <> 'vectors_unverifiable'
    AND f.text_id NOT IN (SELECT u.text_id FROM used_texts AS u)
GROUP BY f.kind
ORDER BY f.kind
