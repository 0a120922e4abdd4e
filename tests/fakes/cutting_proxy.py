"""A relay in front of Postgres that cuts a connection off in the middle of what a test names."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

COPY = b"PGCOPY\n\xff\r\n\0"
"""Begins the data of a binary COPY."""
COMMIT = b"COMMIT\0"
"""The end of the message that commits."""

Where = Literal["inside", "before", "after"]


@dataclass
class CuttingProxy:
    """The relay's state.

    Attributes:
        dsn: leads through the relay.
        cuts: connections that were cut off.
    """

    dsn: str
    cuts: int = 0
    _armed: tuple[bytes, Where] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cut(self, pattern: bytes, where: Where) -> None:
        """Cut off the next connection that sends a pattern.

        Args:
            pattern: bytes from the client.
            where: `before` the server has it, `inside` what follows it, or `after` the server has done it and
                before the client hears so.
        """
        self._armed = pattern, where

    def _strikes(self, data: bytes) -> tuple[int, Where] | None:
        with self._lock:
            if self._armed is None or (found := data.find(self._armed[0])) < 0:
                return None
            pattern, where = self._armed
            self._armed = None
            self.cuts += 1
            return (found if where == "before" else found + len(pattern)), where

    def relay(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what a client sends until it hangs up or is cut off."""
        with suppress(OSError):
            while data := client.recv(1 << 16):
                struck = self._strikes(data)
                if struck is None:
                    server.sendall(data)
                    continue
                at, where = struck
                if where == "after":
                    client.shutdown(socket.SHUT_WR)  # Whatever the server says now is not heard.
                    server.sendall(data)
                    server.settimeout(10)
                    self._await_answer(server)
                elif where == "inside":
                    server.sendall(data[: at + 8])
                break
        _close(client, server)

    def _await_answer(self, server: socket.socket) -> None:
        """Wait until the server has closed the connection, which it does once it has done what it was told."""
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)
            while server.recv(1 << 16, socket.MSG_PEEK | socket.MSG_WAITALL):
                server.recv(1 << 16)


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


def _answers(server: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while data := server.recv(1 << 16):
            client.sendall(data)
    _close(server, client)


@contextmanager
def in_front_of(dsn: str) -> Iterator[CuttingProxy]:
    """Run a relay in front of a Postgres on a Unix socket, for as long as the block lasts."""
    address = urlsplit(dsn)
    real = parse_qs(address.query)["host"][0]
    with tempfile.TemporaryDirectory(prefix="px-", dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/.s.PGSQL.5432")
        listener.listen()
        proxy = CuttingProxy(dsn.replace(f"host={real}", f"host={folder}"))

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.socket(socket.AF_UNIX)
                    server.connect(str(Path(real) / ".s.PGSQL.5432"))
                    threading.Thread(target=proxy.relay, args=(client, server), daemon=True).start()
                    threading.Thread(target=_answers, args=(server, client), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
