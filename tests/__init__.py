"""Tests. On real Postgres, real pgvector, real parsers; only the remote endpoint is a fake, over HTTP."""
