-- Purpose: the parsed documents of a collection whose metadata is due: something declared of them changed, they were
-- parsed anew, or the fields are declared otherwise. An attachment inherits what is declared of the mail around it.
-- Parameters: collection_id, settings. Index: see the view targets; documents_pkey, documents (collection_id, uri).
SELECT
    d.document_id,
    CASE WHEN d.described_for = '' THEN d.metadata ELSE d.declared -> 'plain' END AS plain,
    CASE WHEN d.parent_id IS null THEN d.declared ELSE mail.declared - 'source' - 'unreadable' END AS declared,
    e.properties,
    e.title,
    e.language,
    e.pages,
    %(settings)s || ':' || t.elements_id AS described_for
FROM targets AS t
INNER JOIN documents AS d ON t.document_id = d.document_id
INNER JOIN elements AS e ON t.elements_id = e.elements_id
LEFT JOIN documents AS mail ON d.collection_id = mail.collection_id AND d.root_uri = mail.uri
WHERE
    t.collection_id = %(collection_id)s
    AND d.described_for <> %(settings)s || ':' || t.elements_id
