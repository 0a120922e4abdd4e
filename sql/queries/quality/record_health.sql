-- Purpose: keep how the index of a space was found after a publish.
-- Parameters: publish_id, space, state, run_id, vectors, retired, bytes, valid, sample, recall, planned, rebuild_due.
-- Index: index_health_pkey.
INSERT INTO index_health (
    publish_id, space, state, run_id, vectors, retired, bytes, valid, sample, recall, planned, rebuild_due
)
VALUES (
    %(publish_id)s, %(space)s, %(state)s, %(run_id)s, %(vectors)s, %(retired)s, %(bytes)s, %(valid)s, %(sample)s,
    %(recall)s, %(planned)s, %(rebuild_due)s
)
ON CONFLICT (publish_id, space) DO UPDATE SET
    state = excluded.state,
    run_id = excluded.run_id,
    vectors = excluded.vectors,
    retired = excluded.retired,
    bytes = excluded.bytes,
    valid = excluded.valid,
    sample = excluded.sample,
    recall = excluded.recall,
    planned = excluded.planned,
    rebuild_due = excluded.rebuild_due,
    measured_at = clock_timestamp()
