"""An embedding endpoint that outlives the workers and notes when each of its requests began and ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.embedding_server import EmbeddingServer, serve
from tests.fakes.http_wire import Answer


@dataclass
class Request:
    """One request.

    Attributes:
        texts: its inputs.
        began: monotonic seconds.
        ended: when its answer was ready; None while it is not.
    """

    texts: list[str]
    began: float
    ended: float | None = None


@dataclass
class NotingServer(EmbeddingServer):
    """A fake endpoint with a log.

    Attributes:
        seconds: how long an answer takes.
        log: all requests, in order.
    """

    seconds: float = 0.0
    log: list[Request] = field(default_factory=list)

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        """Answer one request and note it."""
        texts = [body["input"]] if isinstance(body["input"], str) else list(body["input"])
        request = Request(texts, time.monotonic())
        self.log.append(request)
        if self.seconds:
            time.sleep(self.seconds)  # The time of a network and a model; nobody waits for it but the product.
        given = super().answer(body, headers)
        request.ended = time.monotonic()
        return given


@contextmanager
def noting(seconds: float = 0.0) -> Iterator[NotingServer]:
    """Run one for as long as the block lasts.

    Args:
        seconds: how long an answer takes.
    """
    server = NotingServer(seconds=seconds)
    with serve(server):
        yield server
