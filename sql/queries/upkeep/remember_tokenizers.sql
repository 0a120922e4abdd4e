-- Purpose: before another space is promoted, note whose tokens each collection is cut by, so that nothing is cut anew.
-- Parameters: none. Index: none; a few rows.
UPDATE collections AS c
SET tokenizer = r.details -> 'declared' ->> 'tokenizer'
FROM recipes AS r
WHERE c.chunk_recipe_id = r.recipe_id AND c.tokenizer IS null
