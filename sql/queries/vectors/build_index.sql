-- Purpose: have the owner build the HNSW index of a space, if it has none; says whether it did.
-- Parameters: space_id, memory_mb.
SELECT build_vector_index(%(space_id)s, %(memory_mb)s)
