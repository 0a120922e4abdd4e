-- Purpose: add what an endpoint was asked to the ledger of cost, best in the transaction that keeps what was paid for.
-- By hours of the collection's time zone, so that a day's cost is a sum of whole rows.
-- Parameters: collection, run_id, stage, model, endpoint, timezone, requests, inputs, tokens, output_tokens (of them,
-- those that an LLM answered with), price and output_price (of a million; null where none is declared), currency.
-- Index: costs_pkey.
INSERT INTO costs AS paid (
    collection, run_id, stage, model, endpoint, hour, requests, inputs, tokens, output_tokens, cost, currency
)
VALUES (
    %(collection)s, %(run_id)s, %(stage)s, %(model)s, %(endpoint)s,
    date_trunc('hour', clock_timestamp(), %(timezone)s), %(requests)s, %(inputs)s, %(tokens)s, %(output_tokens)s,
    (
        (%(tokens)s - %(output_tokens)s) * %(price)s::numeric
        + %(output_tokens)s * coalesce(%(output_price)s::numeric, 0)
    ) / 1000000,
    CASE WHEN %(price)s::numeric IS NOT null THEN %(currency)s END
)
ON CONFLICT (collection, run_id, stage, model, endpoint, hour) DO UPDATE SET
    requests = paid.requests + excluded.requests,
    inputs = paid.inputs + excluded.inputs,
    tokens = paid.tokens + excluded.tokens,
    output_tokens = paid.output_tokens + excluded.output_tokens,
    cost = CASE
        WHEN paid.cost IS NOT null OR excluded.cost IS NOT null
            THEN coalesce(paid.cost, 0) + coalesce(excluded.cost, 0)
    END,
    currency = coalesce(excluded.currency, paid.currency)
