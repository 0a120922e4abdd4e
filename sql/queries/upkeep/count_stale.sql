-- Purpose: how many stale claims, old rows of usage and profiles that nobody asks for a garbage
-- collection would remove.
-- Parameters: none. Index: leases_pkey.
SELECT
    (
        SELECT count(*) FROM claims AS c
        WHERE
            NOT EXISTS (
                SELECT 1 FROM leases AS l
                WHERE l.collection_id = c.collection_id AND l.token = c.token AND l.expires_at > clock_timestamp()
            )
    ) AS claims,
    (
        SELECT count(*) FROM rate_usage AS u
        WHERE u.second < clock_timestamp() - interval '1 hour'
    ) AS rate_usage,
    (SELECT count(*) FROM stale_profiles) AS profiles
