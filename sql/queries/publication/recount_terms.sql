-- Purpose: count document frequencies of a collection from what readers see.
-- Parameters: collection_id. Index: heads_by_collection_id, chunks_pkey, term_counts_by_audience.
SELECT recount_terms(%(collection_id)s)
