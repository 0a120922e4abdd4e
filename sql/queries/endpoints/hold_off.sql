-- Purpose: keep everybody from asking an endpoint for some seconds; a longer hold that is in force stays.
-- Parameters: endpoint, seconds, longest_hold (seconds). Index: rate_limits_pkey.
INSERT INTO rate_limits AS known (endpoint, blocked_until)
VALUES (%(endpoint)s, clock_timestamp() + %(seconds)s * interval '1 second')
ON CONFLICT (endpoint) DO UPDATE
    SET blocked_until = greatest(
        excluded.blocked_until,
        CASE
            WHEN known.blocked_until <= clock_timestamp() + %(longest_hold)s * interval '1 second'
                THEN known.blocked_until
        END
    )
