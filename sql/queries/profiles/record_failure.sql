-- Purpose: note that a parse could not be described, and why; nothing where it was erased meanwhile.
-- Parameters: elements_id, recipe_id, reason, detail. Index: profile_failures_pkey.
INSERT INTO profile_failures AS f (elements_id, recipe_id, reason, detail)
SELECT
    e.elements_id,
    %(recipe_id)s,
    %(reason)s,
    %(detail)s
FROM elements AS e
WHERE e.elements_id = %(elements_id)s
FOR KEY SHARE
ON CONFLICT (elements_id, recipe_id) DO UPDATE SET
    reason = excluded.reason,
    detail = excluded.detail,
    attempts = f.attempts + 1,
    last_seen = now()
