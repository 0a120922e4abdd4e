-- Purpose: reserve a request at an endpoint, or say how long it has to wait: seconds 0 means that it is reserved.
-- Parameters: endpoint, tokens, most_requests, most_tokens, span and longest_hold in seconds. Index: rate_usage_pkey.
SELECT
    t.seconds,
    t.held_off
FROM take_turn(
    %(endpoint)s, %(tokens)s::bigint, %(most_requests)s::bigint, %(most_tokens)s::bigint, %(span)s::integer,
    %(longest_hold)s::double precision
) AS t
