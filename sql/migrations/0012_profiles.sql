-- Purpose: what an LLM makes of documents, and what it costs.

ALTER TABLE costs ADD COLUMN output_tokens bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN costs.output_tokens IS 'Of the tokens, those that a language model answered with.';
