-- Purpose: give a declared collection its number; writes only the first time.
-- Parameters: name. Index: collections (name).
INSERT INTO collections (name)
VALUES (%(name)s)
ON CONFLICT (name) DO NOTHING
