-- Purpose: have document frequencies follow the heads that a publish is about to move; false where an earlier count was
-- left out, so that all has to be counted once the heads have moved.
-- Parameters: publish_id, collection_id. Index: publish_changes_by_publish, chunks_pkey, term_counts_pkey.
SELECT count_terms_of(%(publish_id)s, %(collection_id)s) AS counted
