-- Purpose: write the metadata that documents show, and which fields are missing from it.
-- Parameters: arrays of equal length. Index: documents_pkey.
UPDATE documents AS d
SET
    metadata = f.metadata::jsonb,
    declared = d.declared || jsonb_build_object('plain', f.plain::jsonb),
    metadata_problems = ARRAY(SELECT jsonb_array_elements_text(f.problems::jsonb)),
    described_for = f.described_for
FROM
    unnest(
        %(document_ids)s::bigint[], %(plain)s::text[], %(metadata)s::text[], %(problems)s::text[],
        %(described_for)s::text[]
    ) AS f (document_id, plain, metadata, problems, described_for)
WHERE d.document_id = f.document_id
