-- Purpose: what the database holds of a collection.
-- Parameters: name. Index: collections (name).
SELECT
    collection_id,
    parse_recipe_id,
    chunk_recipe_id,
    converged,
    readers_digest,
    tokenizer,
    profile_recipe_id
FROM collections
WHERE name = %(name)s
