-- Purpose: note the recipes in force, and from when on older results count as stale if asked to rebuild; from then on
-- the live space's own tokens count.
-- Parameters: collection_id, parse_recipe_id, chunk_recipe_id, rebuild. Index: collections_pkey.
UPDATE collections
SET
    parse_recipe_id = %(parse_recipe_id)s,
    chunk_recipe_id = %(chunk_recipe_id)s,
    converged = null,
    rebuild_after = CASE WHEN %(rebuild)s THEN now() ELSE rebuild_after END,
    tokenizer = CASE WHEN %(rebuild)s THEN null ELSE tokenizer END
WHERE collection_id = %(collection_id)s
