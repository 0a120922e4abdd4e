-- Purpose: a row a profile that is about to be shown and has no recorded pass under these rules.
-- Parameters: collection_id, suite_id. Index: profile_passes_pkey.
SELECT
    a.profile_id,
    a.unfit,
    a.invented_share,
    a.mostly_invented,
    a.in_another_language
FROM audited_profiles AS a
WHERE
    a.collection_id = %(collection_id)s
    AND NOT EXISTS (
        SELECT 1 FROM profile_passes AS p
        WHERE p.profile_id = a.profile_id AND p.suite_id = %(suite_id)s
    )
