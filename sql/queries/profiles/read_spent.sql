-- Purpose: what a collection has spent on profiles in this run, and since midnight in its time zone.
-- Parameters: collection, run_id, timezone. Index: costs_by_hour, costs_pkey.
SELECT
    coalesce(sum(tokens) FILTER (WHERE run_id = %(run_id)s), 0)::bigint AS run_tokens,
    coalesce(sum(tokens) FILTER (WHERE hour >= today.midnight), 0)::bigint AS day_tokens,
    coalesce(sum(cost) FILTER (WHERE run_id = %(run_id)s), 0)::float8 AS run_cost,
    coalesce(sum(cost) FILTER (WHERE hour >= today.midnight), 0)::float8 AS day_cost
FROM costs
CROSS JOIN (SELECT date_trunc('day', clock_timestamp(), %(timezone)s) AS midnight) AS today
WHERE collection = %(collection)s AND stage = 'profiles' AND (run_id = %(run_id)s OR hour >= today.midnight)
