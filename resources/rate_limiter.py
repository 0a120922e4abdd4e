"""One limit for all processes on what an endpoint is asked, kept in Postgres.

What was sent is counted by second under the lock of the endpoint's row, by the database's clock alone.
A turn is one short statement; nothing is open while anybody waits or asks.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TypeVar

import psycopg

from resources.errors import ConfigurationError, TransientError
from resources.pacing import LONGEST_HOLD_SECONDS, TurnTooLate
from resources.postgres import Database, Session

T = TypeVar("T")

WINDOW_SECONDS = 60
JITTER_SECONDS = 0.05
"""Spread of those who wake at the same moment."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """What the database says: seconds to wait (0: go ahead), and whether the endpoint asked for it."""

    seconds: float
    held_off: bool


class RateLimiter:
    """A `Pacer` whose state is shared by all processes on one database."""

    def __init__(
        self,
        database: Database,
        endpoint_host: str,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        *,
        window_seconds: int = WINDOW_SECONDS,
    ) -> None:
        """Describe the limits; nothing is opened yet.

        Args:
            database: where what was sent is counted.
            endpoint_host: names the endpoint, without credentials.
            requests_per_minute: most requests in any minute; None where there is no limit.
            tokens_per_minute: most tokens in any minute; None where there is no limit.
            window_seconds: the length of that minute.
        """
        self._database = database
        self._limited = requests_per_minute is not None or tokens_per_minute is not None
        self._params = {
            "endpoint": endpoint_host,
            "most_requests": requests_per_minute,
            "most_tokens": tokens_per_minute,
            "span": window_seconds,
            "longest_hold": LONGEST_HOLD_SECONDS,
        }
        self._stack = ExitStack()
        self._session: Session | None = None
        self._using = threading.Lock()
        self._opening = 0  # Grows with every close, so that a thread that nobody waits for opens nothing again.
        self._queue: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    async def take_turn(self, tokens: int, *, within: float = math.inf) -> float:
        """Return when a request may be sent; those of one process are served in order.

        A request over the limit by itself is sent alone, after a minute in which nothing was.

        Args:
            tokens: of the request.
            within: seconds that the caller can wait for an endpoint that asked everybody to wait.

        Returns:
            Seconds that passed because of declared limits.

        Raises:
            TurnTooLate: the endpoint asked for more patience than that.
            TransientError: the database is away.
        """
        asked = time.monotonic()
        async with self._in_order():
            waited = time.monotonic() - asked if self._limited else 0.0
            while True:
                turn = await self._in_thread(lambda session: self._ask(session, tokens))
                if turn.seconds <= 0:
                    return waited
                if turn.held_off and turn.seconds > within:
                    raise TurnTooLate(turn.seconds)
                started = time.monotonic()
                await asyncio.sleep(turn.seconds + random.random() * JITTER_SECONDS)  # Jitter, not a secret.
                if turn.held_off:
                    within -= time.monotonic() - started
                else:
                    waited += time.monotonic() - started

    async def hold_off(self, seconds: float) -> None:
        """Keep everybody from asking for a while; what is too long is cut, what is no number is ignored.

        Raises:
            TransientError: the database is away.
        """
        if not seconds > 0:
            return
        params = self._params | {"seconds": min(seconds, LONGEST_HOLD_SECONDS)}
        await self._in_thread(lambda session: session.execute("endpoints/hold_off", params))

    async def close(self) -> None:
        """Let go of the connection; the next turn opens one again."""
        self._opening += 1
        await asyncio.to_thread(self._close)

    def _in_order(self) -> asyncio.Lock:
        """Return the queue of this event loop: a lock belongs to the loop that it was first waited for in."""
        loop = asyncio.get_running_loop()
        if self._queue is None or self._queue[0] is not loop:
            self._queue = loop, asyncio.Lock()
        return self._queue[1]

    def _ask(self, session: Session, tokens: int) -> _Turn:
        name = "endpoints/take_turn" if self._limited else "endpoints/read_hold"
        found = session.rows(_Turn, name, self._params | {"tokens": max(0, tokens)})
        return found[0] if found else _Turn(0.0, held_off=False)

    async def _in_thread(self, work: Callable[[Session], T]) -> T:
        return await asyncio.to_thread(self._work, work, self._opening)

    def _work(self, work: Callable[[Session], T], opening: int) -> T:
        """Do something with the connection, opening it if need be and once more if it broke."""
        with self._using:
            try:
                return work(self._opened(opening))
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self._drop()
            try:
                return work(self._opened(opening))
            except (psycopg.OperationalError, psycopg.InterfaceError, ConfigurationError):
                self._drop()
                raise TransientError(
                    "Postgres went away while a request waited for its turn; what was answered is kept, so refresh "
                    "again when it is back."
                ) from None

    def _opened(self, opening: int) -> Session:
        if opening != self._opening:
            raise TransientError("The endpoint was closed while a request waited for its turn; refresh again.")
        if self._session is None:
            self._session = self._stack.enter_context(self._database.connect())
        return self._session

    def _close(self) -> None:
        with self._using:
            self._drop()

    def _drop(self) -> None:
        self._session = None
        with suppress(psycopg.Error):
            self._stack.close()
