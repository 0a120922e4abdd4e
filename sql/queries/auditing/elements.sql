-- Purpose: a row a parse that is about to be used and has no recorded pass under these rules.
-- Parameters: collection_id, suite_id. Index: element_passes_pkey.
SELECT
    a.document_id,
    a.elements_id,
    a.characters,
    a.characters_per_kilobyte,
    a.replaced_share,
    a.stripped_share
FROM audited_elements AS a
WHERE
    a.collection_id = %(collection_id)s
    AND NOT EXISTS (
        SELECT 1 FROM element_passes AS p
        WHERE p.elements_id = a.elements_id AND p.suite_id = %(suite_id)s
    )
