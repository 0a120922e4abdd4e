-- Purpose: whether the index was measured after this publish, in this very state.
-- Parameters: publish_id, space, state. Index: index_health_pkey.
SELECT count(*) > 0 AS measured
FROM index_health AS i
WHERE i.publish_id = %(publish_id)s AND i.space = %(space)s AND i.state = %(state)s
