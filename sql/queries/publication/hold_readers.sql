-- Purpose: keep the rules of who may read a collection as they are until the transaction ends, before it moves heads:
-- what waits here sees the rules that hold afterwards, and what declares others waits for the heads that move.
-- Parameters: collection_id. Index: collections_pkey.
SELECT c.collection_id
FROM collections AS c
WHERE c.collection_id = %(collection_id)s
FOR NO KEY UPDATE
