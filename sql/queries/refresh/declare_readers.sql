-- Purpose: have a collection's rules of who may read what be these, at once; how many heads got another audience.
-- Parameters: collection_id, rules and types (JSON), digest. Index: heads_by_collection_id.
SELECT declare_readers(%(collection_id)s, %(rules)s::jsonb, %(digest)s, %(types)s::jsonb) AS moved
