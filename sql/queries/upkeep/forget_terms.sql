-- Purpose: take the words of documents out of what is counted, before their heads go: a word that occurs nowhere else
-- is no longer stored then.
-- Parameters: document_ids. Index: heads_pkey, chunks_pkey, term_counts_pkey.
SELECT forget_terms(%(document_ids)s::bigint[])
