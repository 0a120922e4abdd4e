"""Stand-ins for parsers: what a parser pool's worker may do with a task, good and bad."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resources.programs import run_program


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


def _misread(content: bytes) -> str:
    return content.decode("ascii")


def _hold_unpicklably(megabytes: int) -> Any:
    """Give an answer whose pickling takes twice the memory that it takes itself."""
    return [bytearray(megabytes << 20)]


def _spin(argument: Any) -> None:
    while True:
        pass


def _write(megabytes: int) -> None:
    with tempfile.NamedTemporaryFile() as file:
        # Only the last byte is really written.
        file.seek((megabytes << 20) - 1)
        file.write(b"0")


def _answer_at_length(megabytes: int) -> bytes:
    return bytes(megabytes << 20)


def _print(text: str) -> None:
    print(text)  # noqa: T201  # As parsers do.
    print(text, file=sys.stderr)  # noqa: T201
    os.write(2, text.encode())


def _leave_behind(path: str) -> list[str]:
    """Leave a process, a file and a folder; returns what was there before."""
    folder = Path(tempfile.gettempdir())
    found = sorted(child.name for child in folder.iterdir())
    (folder / "left").mkdir()
    (folder / "left" / "file").write_text("4711", encoding="ascii")
    (folder / "file").symlink_to(path)
    return found


def _start_and_stay(path: str) -> None:
    """Start a program in a process group of its own, say its number, and never return."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
    Path(path).write_text(str(child.pid), encoding="ascii")
    _stay(None)


def _start_and_die(path: str) -> None:
    """Start a program, say its number, and die."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(path).write_text(str(child.pid), encoding="ascii")
    os.kill(os.getpid(), signal.SIGSEGV)


def _run(argument: tuple[str, float]) -> bytes:
    """Let a program of ours run for some seconds."""
    program, seconds = argument
    return run_program([sys.executable, "-c", program], seconds=seconds)


def _pair(argument: Any) -> bytes:
    """Talk through a pair of sockets, as asyncio does with itself."""
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"4711")
        return other.recv(4)


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
    "misread": _misread,
    "kill": lambda number: os.kill(os.getpid(), number),
    "unpicklable": lambda argument: threading.Lock(),
    "hold unpicklably": _hold_unpicklably,
    "spin": _spin,
    "write": _write,
    "answer at length": _answer_at_length,
    "print": _print,
    "leave behind": _leave_behind,
    "start and stay": _start_and_stay,
    "start and die": _start_and_die,
    "run": _run,
    "pair": _pair,
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
