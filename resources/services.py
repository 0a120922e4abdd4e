"""Background processes of one checkout: started once, found again, ended by name, never orphaned.

Each runs under a guard, a small process that writes its own state file, watches it, and ends its child
when the file is gone or names another guard. So a crash between two steps leaves nothing that the next
command cannot find, and removing the state folder ends everything in it.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from resources.errors import ConfigurationError, SuimonError

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        name: as in its state file.
        pid: of its guard.
        port: where it listens on loopback; 0 if it does not.
        token: tells this guard from one that had its number before.
    """

    name: str
    pid: int
    port: int
    token: str

    @property
    def alive(self) -> bool:
        """Whether the guard still runs, and is no stranger with the same number."""
        try:
            return self.token in psutil.Process(self.pid).cmdline()
        except (psutil.Error, ValueError, OverflowError):
            return False


def free_port() -> int:
    """Return a port of loopback that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def open_port(port: int) -> socket.socket:
    """Return a socket on loopback that nobody else has, before anything is said to be served on it.

    Raises:
        ConfigurationError: somebody has it, or it may not be had.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"Port {port} of 127.0.0.1 cannot be had ({error.strerror}); name another with --port."
        ) from None
    return listening


class Services:
    """The services of one state folder."""

    def __init__(self, folder: Path) -> None:
        """Remember where state files and logs are.

        Args:
            folder: of the checkout's own state, as `.suimon`.
        """
        self.folder = folder
        self._run = folder / "run"
        self._logs = folder / "logs"

    def _state(self, name: str) -> Path:
        return self._run / f"{name}.json"

    def find(self, name: str) -> Service | None:
        """Return a service that runs, or None."""
        try:
            state = json.loads(self._state(name).read_text(encoding="utf-8"))
            service = Service(name, int(state["pid"]), int(state["port"]), str(state["token"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return service if service.alive else None

    def names(self) -> list[str]:
        """Return the names of the services that run."""
        found = sorted(path.stem for path in self._run.glob("*.json")) if self._run.is_dir() else []
        return [name for name in found if self.find(name)]

    def log(self, name: str) -> Path:
        """Return the path of a service's log."""
        return self._logs / f"{name}.log"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep two commands of one checkout from starting the same thing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def ensure(
        self,
        name: str,
        command: Callable[[int], Sequence[str]],
        ready: Callable[[int], bool],
        *,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        seconds: float = 60,
    ) -> Service:
        """Return the running service of that name, starting it if there is none.

        Args:
            name: of the service.
            command: makes the command line for a port.
            ready: says whether the service answers on a port.
            port: to listen on; by default any that is free.
            environment: added to this process's own.
            seconds: longest wait until it answers.

        Raises:
            SuimonError: it did not start; the message names its log.
        """
        with self.lock():
            found = self.find(name)
            if found is None:
                chosen = port if port is not None else free_port()
                found = self._start(name, command(chosen), chosen, environment)
        deadline = time.monotonic() + seconds
        while not ready(found.port):
            if not found.alive or time.monotonic() > deadline:
                raise SuimonError(f"The {name} service did not start; {self.log(name)} says why.")
            time.sleep(POLL_SECONDS)
        return found

    def _start(self, name: str, command: Sequence[str], port: int, environment: Mapping[str, str] | None) -> Service:
        self._run.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        self._state(name).unlink(missing_ok=True)
        token = secrets.token_hex(8)
        guard = [sys.executable, "-m", "resources.service_guard", str(self._state(name)), token, str(port), *command]
        project = str(Path(__file__).resolve().parent.parent)
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                guard,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=project,
                env={**os.environ, **(environment or {})},
            )
        deadline = time.monotonic() + 20
        while (service := self.find(name)) is None or service.token != token:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SuimonError(f"The {name} service did not start; {self.log(name)} says why.")
            time.sleep(POLL_SECONDS / 2)
        return service

    def stop(self, name: str, seconds: float = 20) -> bool:
        """End a service; says whether there was one."""
        service = self.find(name)
        self._state(name).unlink(missing_ok=True)
        if service is None:
            return False
        try:
            guard = psutil.Process(service.pid)
            family = [guard, *guard.children(recursive=True)]
            guard.terminate()
            _, left = psutil.wait_procs(family, timeout=seconds)
            for process in left:
                process.kill()
        except psutil.NoSuchProcess:
            pass
        return True
