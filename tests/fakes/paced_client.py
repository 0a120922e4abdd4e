"""A process that embeds a few texts through the shared limiter: `python -m tests.fakes.paced_client ...`."""

from __future__ import annotations

import asyncio
import sys

from resources.embedding_endpoint import EmbeddingEndpoint
from resources.postgres import Database
from resources.rate_limiter import RateLimiter


def main(dsn: str, url: str, requests_per_minute: str, window_seconds: str, texts: str) -> None:
    """Send each text as a request of its own, all at once."""
    limiter = RateLimiter(Database(dsn), "shared", int(requests_per_minute), None, window_seconds=int(window_seconds))
    endpoint = EmbeddingEndpoint(base_url=url, api_key=None, concurrency=4, deadline_seconds=60, pacer=limiter)

    async def all_at_once(opened: EmbeddingEndpoint) -> None:
        await asyncio.gather(*(opened.embed([f"text {number}"], "fake") for number in range(int(texts))))

    endpoint.run(all_at_once)


if __name__ == "__main__":
    main(*sys.argv[1:])
