-- Purpose: have the owner put the spare index in the live one's place, and take what it left behind off the count.
-- Parameters: space_id, counted.
SELECT swap_spare_index(%(space_id)s, %(counted)s)
