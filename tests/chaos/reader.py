"""A reader that polls the published tables all the time, whatever becomes of the server."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL

from tests.chaos.server import HAND
from tests.chaos.states import read_state

PAUSE_SECONDS = 0.01
"""The workers' hooks read as well, at every failpoint; this one sees what lies between."""


@dataclass(frozen=True)
class Read:
    """One read.

    Attributes:
        began: monotonic seconds.
        ended: monotonic seconds.
        state: the digest of what was read.
    """

    began: float
    ended: float
    state: str


class Reader:
    """A thread that reads as the reader role, connects again when it is cut off, and writes down what it saw."""

    def __init__(self, dsn: str) -> None:
        """Start reading."""
        self._dsn = dsn
        self._stopped = threading.Event()
        self.reads: list[Read] = []
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="chaos reader", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                try:
                    self._poll()
                except psycopg.OperationalError:
                    self._stopped.wait(0.02)  # The server is away or starting.
        except BaseException as error:
            self.failure = error

    def _poll(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True, application_name=HAND) as connection:
            connection.execute(SQL("SET ROLE suimon_reader"))
            while not self._stopped.wait(PAUSE_SECONDS):
                began = time.monotonic()
                state = read_state(connection)
                self.reads.append(Read(began, time.monotonic(), state))

    def stop(self) -> list[Read]:
        """Stop, after at least one more read; returns all reads.

        Raises:
            RuntimeError: a read failed for another reason than a server that was away.
        """
        seen, deadline = len(self.reads), time.monotonic() + 30
        while len(self.reads) < seen + 2 and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)
        self._stopped.set()
        self._thread.join(30)
        if self.failure is not None:
            raise RuntimeError(f"a read failed: {self.failure}") from self.failure
        return self.reads
