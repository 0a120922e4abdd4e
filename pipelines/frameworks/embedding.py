"""The vector of a question, for callers with and without an event loop."""

from __future__ import annotations

import asyncio
import math
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from pipelines.frameworks.refusals import PLAIN, Wording
from resources.embedding_endpoint import EmbeddingEndpoint
from resources.errors import ConfigurationError

Embed = Callable[[str], Sequence[float]]
"""Somebody else's way from a text, prefix included, to a vector."""

Space = dict[str, Any]
"""A row of `serving/read_space.sql`."""


class Embedder(Protocol):
    """Makes the vectors of questions."""

    def submit(self, text: str, space: Space) -> Future[Sequence[float]]:
        """Have a text, prefix included, embedded with the model of a space; may block for a while."""
        ...

    def close(self) -> None:
        """Let go of what is open; a later question opens it again."""
        ...


class CalledEmbedder:
    """Somebody else's function."""

    def __init__(self, embed: Embed) -> None:
        """Remember the function."""
        self._embed = embed

    def submit(self, text: str, space: Space) -> Future[Sequence[float]]:
        """Call the function, now."""
        del space
        done: Future[Sequence[float]] = Future()
        done.set_result(self._embed(text))
        return done

    def close(self) -> None:
        """Nothing is open."""


class NoEmbedder:
    """Nobody: words alone can be asked for."""

    def submit(self, text: str, space: Space) -> Future[Sequence[float]]:
        """Say what is missing.

        Raises:
            ConfigurationError: always.
        """
        del text, space
        raise ConfigurationError(
            "No embedding endpoint is given; give base_url or embed, or ask with mode='lexical', which needs none."
        )

    def close(self) -> None:
        """Nothing is open."""


class EndpointsEmbedder:
    """An endpoint a space, each opened when it is first asked: which space is live may change."""

    def __init__(self, find: Callable[[str], Embedder]) -> None:
        """Remember how they are found.

        Args:
            find: gives the embedder of a space by name, or says that it is not declared.
        """
        self._find = find
        self._found: dict[str, Embedder] = {}
        self._lock = threading.Lock()

    def submit(self, text: str, space: Space) -> Future[Sequence[float]]:
        """Have a text embedded by the space's own endpoint."""
        with self._lock:
            name = str(space["space"])
            if name not in self._found:
                self._found[name] = self._find(name)
            found = self._found[name]
        return found.submit(text, space)

    def close(self) -> None:
        """Close all."""
        for found in self._found.values():
            found.close()


class EndpointEmbedder:
    """An endpoint that stays open, in an event loop of its own, so that its connections outlive one question."""

    def __init__(self, endpoint: EmbeddingEndpoint, dimensions: int | None = None) -> None:
        """Remember the endpoint, and the dimensions to ask for; nothing is opened yet."""
        self._endpoint = endpoint
        self._dimensions = dimensions
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: Callable[[], Future[None] | None] | None = None
        self._lock = threading.Lock()

    def submit(self, text: str, space: Space) -> Future[Sequence[float]]:
        """Have a text embedded; the future holds the vector or the endpoint's error."""
        endpoint, dimensions = self._endpoint, self._dimensions

        async def work() -> Sequence[float]:
            answer = await endpoint.embed([text], space["query_model"], dimensions)
            vector: list[float] = answer.vectors[0].tolist()
            return vector

        with self._lock:
            if self._loop is None:
                self._open()
            assert self._loop is not None
            return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def _open(self) -> None:
        loop = asyncio.new_event_loop()
        threading.Thread(target=_run, args=(loop,), name="suimon-questions", daemon=True).start()
        try:
            asyncio.run_coroutine_threadsafe(self._endpoint.__aenter__(), loop).result()
        except BaseException:
            loop.call_soon_threadsafe(loop.stop)
            raise
        self._loop = loop
        self._end = weakref.finalize(self, _end, loop, self._endpoint)  # Also where nobody calls close().

    def close(self) -> None:
        """Close connections and end the loop, so that others may open the endpoint; a later question opens it again."""
        with self._lock:
            closing = None if self._end is None else self._end()
            if closing is not None:
                closing.exception()  # Waits. What cannot be closed is gone, too.
            self._loop = self._end = None


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _end(loop: asyncio.AbstractEventLoop, endpoint: EmbeddingEndpoint) -> Future[None]:
    """Have a loop close its endpoint and end; who wants to wait may, but a collector of garbage may be who calls."""
    closing = asyncio.run_coroutine_threadsafe(endpoint.__aexit__(None, None, None), loop)
    closing.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
    return closing


def literal(vector: Sequence[float], space: Space, wording: Wording = PLAIN) -> str:
    """Write a vector as pgvector reads it.

    Args:
        vector: numbers.
        space: the row of search.spaces that it has to fit.
        wording: how it is said that it does not.

    Raises:
        ConfigurationError: it is not of the space's dimensions, or no number in it can be used.
    """
    numbers = [float(value) for value in vector]
    if len(numbers) != space["dimensions"]:
        raise ConfigurationError(
            wording.other_vector.format(
                given=len(numbers), space=space["space"], dimensions=space["dimensions"], model=space["query_model"]
            )
        )
    if not all(map(math.isfinite, numbers)):
        raise ConfigurationError("The question's vector holds something that is no finite number; check the model.")
    return "[" + ",".join(f"{value:.7g}" for value in numbers) + "]"
