-- Purpose: what a language model answers is counted, and priced, apart from what it is asked.

ALTER TABLE costs ADD COLUMN output_tokens bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN costs.output_tokens IS 'Of the tokens, those that a language model answered with.';
