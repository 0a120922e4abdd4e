-- Purpose: how long an endpoint wants to be left alone yet; no row where it does not. A hold that is longer than any
-- can be was written before the clock was set back, and counts for nothing.
-- Parameters: endpoint, longest_hold (seconds). Index: rate_limits_pkey.
SELECT
    extract(EPOCH FROM l.blocked_until - clock_timestamp())::double precision AS seconds,
    true AS held_off
FROM rate_limits AS l
WHERE
    l.endpoint = %(endpoint)s
    AND l.blocked_until > clock_timestamp()
    AND l.blocked_until <= clock_timestamp() + %(longest_hold)s * interval '1 second'
