"""Stand-ins for parsers: what a parser pool's worker may do with a task, good and bad."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Held(Exception):  # Named like the project's own.
    """An exception with a reason, and a message that quotes the document."""

    def __init__(self, reason: str) -> None:
        """Remember the reason."""
        super().__init__(f"the gate code is 4711: {reason}")
        self.reason = reason


def _stay(argument: Any) -> Any:
    threading.Event().wait()


def _hoard(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


def _raise(text: str) -> None:
    raise ValueError(text)


def _hold(reason: str) -> None:
    raise Held(reason)


def _recurse(depth: int) -> int:
    return _recurse(depth + 1) + 1


def _connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=2).close()


def _send(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"4711", ("127.0.0.1", port))


def _listen(port: int) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))


def _resolve(name: str) -> None:
    socket.getaddrinfo(name, 80)


def _resolve_simply(name: str) -> None:
    socket.gethostbyname(name)


def _environment(argument: Any) -> dict[str, str]:
    return dict(os.environ)


def _initial_environment(argument: Any) -> bytes:
    return Path("/proc/self/environ").read_bytes()


def _scratch(argument: Any) -> str:
    descriptor, path = tempfile.mkstemp()
    os.close(descriptor)
    return path


DEEDS: dict[str, Callable[[Any], Any]] = {
    "echo": lambda argument: argument,
    "exit": os._exit,
    "leave": sys.exit,
    "stay": _stay,
    "hoard": _hoard,
    "raise": _raise,
    "hold": _hold,
    "recurse": _recurse,
    "unpicklable": lambda argument: threading.Lock(),
    "connect": _connect,
    "send": _send,
    "listen": _listen,
    "resolve": _resolve,
    "resolve simply": _resolve_simply,
    "environment": _environment,
    "initial environment": _initial_environment,
    "scratch": _scratch,
    "pid": lambda argument: os.getpid(),
}


def behave(deed: str, argument: Any) -> Any:
    """Do what a test asks for; the entry function of its workers."""
    return DEEDS[deed](argument)
