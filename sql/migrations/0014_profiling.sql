-- Purpose: how the last attempt to make a collection's profiles ended, which runs without a lease or a refresh.

ALTER TABLE collections ADD COLUMN profile_failure text;
COMMENT ON COLUMN collections.profile_failure IS
'Why the last attempt to make profiles failed, in one sentence without anything of a document; null if it did not.';
