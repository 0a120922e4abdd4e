-- Purpose: who may do what. The pipeline writes rows and reads the public views; the view role reads what
-- its views show; the reader sees the schema for search and nothing else.

GRANT USAGE ON SCHEMA {corpus} TO {pipeline}, {view};
GRANT USAGE ON SCHEMA {search} TO {pipeline}, {reader}, {view};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {corpus} TO {pipeline};
REVOKE INSERT, UPDATE, DELETE ON migrations, applied_objects FROM {pipeline};
GRANT SELECT ON heads, documents, collections, publishes, chunk_sets, chunks, texts, elements, spaces, audiences
TO {view};
