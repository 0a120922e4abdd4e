-- Purpose: what the last refresh of each collection cost, and its day, which begins at midnight in its time zone.
-- What was asked for several collections together has an empty name.
-- Parameters: collections and timezones, of equal length; other collections count their days in UTC.
-- Index: costs_pkey, costs_by_hour.
SELECT
    c.name AS collection,
    paid.stage,
    paid.model,
    paid.currency,
    coalesce(sum(paid.requests) FILTER (WHERE paid.run_id = latest.run_id), 0)::bigint AS last_requests,
    coalesce(sum(paid.inputs) FILTER (WHERE paid.run_id = latest.run_id), 0)::bigint AS last_inputs,
    coalesce(sum(paid.tokens) FILTER (WHERE paid.run_id = latest.run_id), 0)::bigint AS last_tokens,
    sum(paid.cost) FILTER (WHERE paid.run_id = latest.run_id)::float8 AS last_cost,
    coalesce(sum(paid.requests) FILTER (WHERE paid.hour >= today.midnight), 0)::bigint AS day_requests,
    coalesce(sum(paid.inputs) FILTER (WHERE paid.hour >= today.midnight), 0)::bigint AS day_inputs,
    coalesce(sum(paid.tokens) FILTER (WHERE paid.hour >= today.midnight), 0)::bigint AS day_tokens,
    sum(paid.cost) FILTER (WHERE paid.hour >= today.midnight)::float8 AS day_cost
FROM (
    SELECT
        name,
        collection_id
    FROM collections
    UNION ALL
    SELECT
        '',
        null
) AS c
LEFT JOIN unnest(%(collections)s::text[], %(timezones)s::text[]) AS z (name, timezone) ON c.name = z.name
CROSS JOIN LATERAL (SELECT date_trunc('day', clock_timestamp(), coalesce(z.timezone, 'UTC')) AS midnight) AS today
LEFT JOIN LATERAL (
    SELECT r.run_id FROM refreshes AS r
    WHERE r.collection_id = c.collection_id
    ORDER BY r.refresh_id DESC
    LIMIT 1
) AS latest ON true
INNER JOIN costs AS paid
    ON c.name = paid.collection AND (latest.run_id = paid.run_id OR today.midnight <= paid.hour)
GROUP BY c.name, paid.stage, paid.model, paid.currency
ORDER BY c.name, paid.stage, paid.model
