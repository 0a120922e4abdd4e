-- Purpose: let the next refresh in; the row stays, since its token must go on growing.
-- Parameters: collection_id, token. Index: leases_pkey.
UPDATE leases
SET
    expires_at = '-infinity',
    holder = ''
WHERE collection_id = %(collection_id)s AND token = %(token)s
