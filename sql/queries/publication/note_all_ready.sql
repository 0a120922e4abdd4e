-- Purpose: look again at the spaces that did not hold all that is published: two refreshes that each filled the last
-- but one collection did not see each other.
-- Parameters: none. Index: a few rows; see the function note_ready.
SELECT note_ready(s.space_id) AS ready
FROM spaces AS s
WHERE NOT s.ready
