-- Purpose: the ledger of cost for people. A Dagster partition is a collection, so a row here is a run, partition, stage
-- and model.

DROP VIEW IF EXISTS {search}.costs;
CREATE VIEW {search}.costs AS
SELECT
    c.run_id,
    c.collection,
    c.stage,
    c.model,
    c.endpoint,
    sum(c.requests)::bigint AS requests,
    sum(c.inputs)::bigint AS inputs,
    sum(c.tokens)::bigint AS tokens,
    sum(c.output_tokens)::bigint AS output_tokens,
    sum(c.cost) AS cost,
    c.currency,
    min(c.hour) AS first_hour,
    max(c.hour) AS last_hour
FROM costs AS c
GROUP BY c.run_id, c.collection, c.stage, c.model, c.endpoint, c.currency;

COMMENT ON VIEW {search}.costs IS
'What endpoints were asked, and what it cost: a row a run, collection, stage, model and endpoint. A collection that was
dropped is still in it.';
COMMENT ON COLUMN {search}.costs.run_id IS 'The run, as in Dagster.';
COMMENT ON COLUMN {search}.costs.collection IS 'The collection, which is the Dagster partition.';
COMMENT ON COLUMN {search}.costs.stage IS 'The stage that asked.';
COMMENT ON COLUMN {search}.costs.model IS 'The model that was asked for.';
COMMENT ON COLUMN {search}.costs.endpoint IS 'Host and port of the endpoint.';
COMMENT ON COLUMN {search}.costs.requests IS 'Requests that were sent, those that failed included.';
COMMENT ON COLUMN {search}.costs.inputs IS 'Texts that were answered.';
COMMENT ON COLUMN {search}.costs.tokens IS 'Tokens of these as the endpoint counted them, else as we did.';
COMMENT ON COLUMN {search}.costs.output_tokens IS 'Of these, those that a language model answered with.';
COMMENT ON COLUMN {search}.costs.cost IS 'Money, in the currency beside it; null where no price was declared.';
COMMENT ON COLUMN {search}.costs.currency IS 'ISO 4217; null where no price was declared.';
COMMENT ON COLUMN {search}.costs.first_hour IS 'Beginning of the hour in which it began.';
COMMENT ON COLUMN {search}.costs.last_hour IS 'Beginning of the hour in which it ended.';
GRANT SELECT ON {search}.costs TO {pipeline};
