-- Purpose: what each document ought to show. Every stage, every audit and the publish read this one
-- definition: a document's parse and chunk set under the recipes that its collection declares.
-- A result of an older version counts until somebody asks for a rebuild; a result of other declared
-- parameters does not.
-- Index: elements (content_hash, format, recipe_id), chunk_sets (elements_id, recipe_id).

DROP VIEW IF EXISTS targets CASCADE;

CREATE VIEW targets AS
SELECT
    d.collection_id,
    d.document_id,
    d.parent_id,
    d.uri,
    d.content_hash,
    d.format,
    d.size,
    d.metadata,
    e.elements_id,
    e.title,
    s.chunk_set_id,
    c.parse_recipe_id,
    c.chunk_recipe_id,
    EXISTS(
        SELECT 1
        FROM quarantine AS q
        WHERE
            q.document_id = d.document_id
            AND q.content_hash = d.content_hash
            AND q.recipe_id IN (c.parse_recipe_id, c.chunk_recipe_id)
            AND NOT q.retry
    ) AS quarantined
FROM documents AS d
INNER JOIN collections AS c ON d.collection_id = c.collection_id
INNER JOIN recipes AS parse ON c.parse_recipe_id = parse.recipe_id
INNER JOIN recipes AS cut ON c.chunk_recipe_id = cut.recipe_id
LEFT JOIN LATERAL (
    SELECT
        found.elements_id,
        found.title
    FROM elements AS found
    INNER JOIN recipes AS r ON found.recipe_id = r.recipe_id
    WHERE
        found.content_hash = d.content_hash
        AND found.format = d.format
        AND r.declared = parse.declared
        AND (found.recipe_id = c.parse_recipe_id OR found.created_at >= c.rebuild_after)
    ORDER BY found.elements_id DESC
    LIMIT 1
) AS e ON true
LEFT JOIN LATERAL (
    SELECT found.chunk_set_id
    FROM chunk_sets AS found
    INNER JOIN recipes AS r ON found.recipe_id = r.recipe_id
    WHERE
        found.elements_id = e.elements_id
        AND r.declared = cut.declared
        AND (found.recipe_id = c.chunk_recipe_id OR found.created_at >= c.rebuild_after)
    ORDER BY found.chunk_set_id DESC
    LIMIT 1
) AS s ON true
WHERE d.vanished_at IS null;

-- Purpose: the chunk sets that are not shown yet and wait for audits and the publish.
CREATE VIEW candidates AS
SELECT
    t.collection_id,
    t.document_id,
    t.elements_id,
    t.chunk_set_id
FROM targets AS t
LEFT JOIN heads AS h ON t.document_id = h.document_id
WHERE
    t.chunk_set_id IS NOT null
    AND NOT t.quarantined
    AND h.chunk_set_id IS DISTINCT FROM t.chunk_set_id;

-- Purpose: where an attachment is to be found: the listed file that holds it, and the way into it.
CREATE OR REPLACE VIEW files_of_attachments AS
WITH RECURSIVE up AS (
    SELECT
        d.document_id,
        d.parent_id,
        ARRAY[d.part] AS parts
    FROM documents AS d
    WHERE d.parent_id IS NOT null
    UNION ALL
    SELECT
        up.document_id,
        above.parent_id,
        above.part || up.parts AS parts
    FROM up
    INNER JOIN documents AS above ON up.parent_id = above.document_id
    WHERE above.parent_id IS NOT null
)

SELECT
    up.document_id,
    root.uri,
    up.parts
FROM up
INNER JOIN documents AS root ON up.parent_id = root.document_id
WHERE root.parent_id IS null;
