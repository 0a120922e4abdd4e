-- Purpose: all spaces as they were made, the live one first.
-- Parameters: none. Index: none; a few rows.
SELECT s.*
FROM known_spaces AS s
ORDER BY s.live DESC, s.space_id ASC
