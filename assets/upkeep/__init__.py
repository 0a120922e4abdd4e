"""Keeping the database: what is compared, mended, collected, erased and dropped, outside the stages."""
