-- Purpose: have the server load pgvector's library; before that it refuses its settings.
-- Parameters: none.
SELECT vector_dims('[0]'::vector)
