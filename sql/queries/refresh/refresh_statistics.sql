-- Purpose: have the owner gather statistics, so that no plan made for small tables outlives them.
-- Parameters: none.
SELECT refresh_statistics()
