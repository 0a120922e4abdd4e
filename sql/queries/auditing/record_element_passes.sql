-- Purpose: record that the parses that are left after quarantine met the rules.
-- Parameters: collection_id, suite_id. Index: element_passes_pkey.
INSERT INTO element_passes (elements_id, suite_id)
SELECT DISTINCT
    a.elements_id,
    %(suite_id)s
FROM audited_elements AS a
WHERE a.collection_id = %(collection_id)s
ORDER BY a.elements_id
ON CONFLICT DO NOTHING
