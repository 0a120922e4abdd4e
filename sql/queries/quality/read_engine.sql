-- Purpose: identity of what searches and judges: figures from before an upgrade are not compared with later ones.
-- Parameters: none. Index: none; a few rows.
SELECT md5(string_agg(o.checksum, ' ' ORDER BY o.name)) AS engine
FROM applied_objects AS o
