"""A bound on what an HTTP answer may hold, kept while it is read: a server cannot fill our memory.

Imported only once an endpoint is opened, since the HTTP client takes long to import.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextvars import ContextVar

import httpx2

PLAIN_ROOM_BYTES = 1 << 16
room: ContextVar[int] = ContextVar("room", default=PLAIN_ROOM_BYTES)
"""Bytes that the answer to the present request may have."""


class OversizedAnswer(Exception):
    """An answer that is far larger than its request explains, or packed so that nobody can tell."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner = inner
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for part in self._inner:
            read += len(part)
            if read > self._most:
                raise OversizedAnswer
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


async def bound(response: httpx2.Response) -> None:
    """Put a bound on a body before any of it is read; meant as a response hook of the client.

    Compression was not asked for: a small packed body could unpack to any size.

    Raises:
        OversizedAnswer: the body is announced as larger than that, or it is packed.
    """
    most = room.get()
    announced = response.headers.get("content-length", "")
    too_long = announced.isdecimal() and (len(announced) > 18 or int(announced) > most)
    if too_long or response.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise OversizedAnswer
    assert isinstance(response.stream, httpx2.AsyncByteStream), "an answer of an asynchronous client"
    response.stream = _Bounded(response.stream, most)
