-- Purpose: the rate limiter that all processes share. A function, so that the lock on an endpoint's row never waits for
-- a client, and so that what is read after the lock was got is what the one before wrote: each statement of a volatile
-- function sees what is committed when it starts, where one statement with several parts would not.

-- A reservation under the lock of the endpoint's row. Usage is counted in whole seconds: a window of n seconds touches
-- n + 1 of them, and in these no more is sent than declared. A request over the limit by itself goes alone.
CREATE OR REPLACE FUNCTION take_turn(
    asked text, wanted bigint, most_requests bigint, most_tokens bigint, span integer, longest_hold double precision
) RETURNS TABLE (seconds double precision, held_off boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    until timestamptz;
    moment timestamptz;
    bucket timestamptz;
    free_at timestamptz;
BEGIN
    INSERT INTO rate_limits (endpoint) VALUES (asked) ON CONFLICT DO NOTHING;
    SELECT l.blocked_until INTO until FROM rate_limits AS l WHERE l.endpoint = asked FOR UPDATE;
    moment := clock_timestamp();
    bucket := date_trunc('second', moment);
    -- No hold is longer than the longest: such a one was written before the clock was set back.
    IF until > moment AND until <= moment + make_interval(secs => longest_hold) THEN
        RETURN QUERY SELECT extract(EPOCH FROM until - moment)::double precision, true;
        RETURN;
    END IF;
    -- What is far ahead was written before the clock was set back, and would block for as long.
    DELETE FROM rate_usage AS u
    WHERE
        u.endpoint = asked
        AND (u.second < bucket - make_interval(secs => span) OR u.second > bucket + make_interval(secs => span));
    -- A row for now and one for each second in use: what is still counted once that second has left the window.
    SELECT min(f.at) INTO free_at
    FROM (
        SELECT moment AS at, coalesce(sum(u.requests), 0) AS requests, coalesce(sum(u.tokens), 0) AS tokens
        FROM rate_usage AS u
        WHERE u.endpoint = asked
        UNION ALL
        SELECT
            u.second + make_interval(secs => span + 1),
            coalesce(sum(u.requests) OVER newer, 0),
            coalesce(sum(u.tokens) OVER newer, 0)
        FROM rate_usage AS u
        WHERE u.endpoint = asked
        WINDOW newer AS (ORDER BY u.second DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) AS f
    WHERE
        f.requests = 0
        OR (
            (most_requests IS NULL OR f.requests < most_requests)
            AND (most_tokens IS NULL OR f.tokens + wanted <= most_tokens)
        );
    IF free_at > moment THEN
        RETURN QUERY SELECT extract(EPOCH FROM free_at - moment)::double precision, false;
        RETURN;
    END IF;
    INSERT INTO rate_usage AS u (endpoint, second, requests, tokens) VALUES (asked, bucket, 1, wanted)
    ON CONFLICT (endpoint, second) DO UPDATE
        SET requests = u.requests + 1, tokens = u.tokens + excluded.tokens;
    RETURN QUERY SELECT 0::double precision, false;
END
$$;
