-- Purpose: take vectors in.
-- Parameters: none.
COPY incoming_vectors (text_id, embedding) FROM STDIN WITH (FORMAT binary) -- noqa: PRS
