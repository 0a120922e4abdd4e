-- Purpose: add what an LLM was asked to the ledger of cost, in the transaction that keeps what was paid for. By hours
-- of the collection's time zone, so that a day's cost is a sum of whole rows.
-- Parameters: collection, run_id, stage, model, endpoint, timezone, requests, inputs, tokens, output_tokens, cost,
-- currency. Index: costs_pkey.
INSERT INTO costs AS paid (
    collection, run_id, stage, model, endpoint, hour, requests, inputs, tokens, output_tokens, cost, currency
)
VALUES (
    %(collection)s, %(run_id)s, %(stage)s, %(model)s, %(endpoint)s,
    date_trunc('hour', clock_timestamp(), %(timezone)s), %(requests)s, %(inputs)s, %(tokens)s, %(output_tokens)s,
    %(cost)s::numeric, %(currency)s
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
