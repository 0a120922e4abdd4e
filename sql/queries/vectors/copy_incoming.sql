-- Purpose: take vectors in.
-- Parameters: none; identifier: incoming.
COPY {incoming} (text_id, embedding) FROM STDIN WITH (FORMAT binary) -- noqa: PRS
