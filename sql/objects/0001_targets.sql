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
    d.root_uri,
    d.parts,
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
    ) AS quarantined,
    EXISTS(
        SELECT 1 FROM postponed AS p
        WHERE p.document_id = d.document_id
    ) AS postponed
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
    AND NOT t.postponed
    AND h.chunk_set_id IS DISTINCT FROM t.chunk_set_id;

-- Purpose: the documents that are still to be parsed. Not the attachments inside a mail that has no parse of its own
-- bytes, at whatever depth: nobody knows whether it still holds them, and readers keep what they have of them.
CREATE VIEW unparsed AS
SELECT
    t.collection_id,
    t.document_id,
    t.parent_id,
    t.root_uri,
    t.parts,
    t.uri,
    t.content_hash,
    t.format,
    t.size
FROM targets AS t
WHERE
    t.elements_id IS null
    AND NOT t.quarantined
    AND (
        t.parent_id IS null
        OR NOT EXISTS (
            WITH RECURSIVE around AS (
                SELECT t.parent_id AS document_id
                UNION ALL
                SELECT d.parent_id
                FROM around AS a
                INNER JOIN documents AS d ON a.document_id = d.document_id
                WHERE d.parent_id IS NOT null
            )

            SELECT 1
            FROM around AS a
            LEFT JOIN targets AS mail ON a.document_id = mail.document_id
            WHERE mail.elements_id IS null
        )
    );
