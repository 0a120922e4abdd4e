"""The other end of the worker server: starts workers, kills them, hears how they ended, looks for what they left."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.chaos.job import Entry, Job, read_journal

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST_SECONDS = 300.0
"""A worker that has not ended by then hangs."""

START_SECONDS = 600.0
"""Within which the worker server has imported everything; seven, on a machine that has nothing else to do."""


@dataclass
class Worker:
    """A worker under way.

    Attributes:
        job: what it does.
        pid: its process id.
    """

    job: Job
    pid: int
    _connection: socket.socket = field(repr=False)

    def wait(self) -> int:
        """Wait for its end and return its exit code, negative for a signal.

        Raises:
            TimeoutError: it hangs; it is killed then.
        """
        self._connection.settimeout(LONGEST_SECONDS)
        try:
            with self._connection, self._connection.makefile("r") as lines:
                return int(lines.readline())
        except TimeoutError:
            self.kill()
            raise TimeoutError(f"{self.job.run_id} hung for {LONGEST_SECONDS:g} s") from None

    def kill(self) -> None:
        """Kill it, if it still lives."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    @property
    def journal(self) -> list[Entry]:
        """What it wrote down."""
        return read_journal(self.job.folder / "journal")

    @property
    def printed(self) -> str:
        """The end of what it printed."""
        path = self.job.folder / "printed"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""


class Crew:
    """The worker server, started once: its imports take seconds, a worker milliseconds."""

    def __init__(self) -> None:
        """Start importing; the first worker waits for it."""
        self._folder = tempfile.TemporaryDirectory(prefix="suimon-crew-")
        self._address = f"{self._folder.name}/socket"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.worker", self._address], cwd=ROOT, stdin=subprocess.DEVNULL
        )

    def start(self, job: Job) -> Worker:
        """Start a worker."""
        job.folder.mkdir(parents=True, exist_ok=True)
        connection = self._connect()
        connection.sendall(pickle.dumps(job))
        connection.shutdown(socket.SHUT_WR)
        pid = b""
        while not pid.endswith(b"\n"):
            pid += connection.recv(1)
        return Worker(job, int(pid), connection)

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + START_SECONDS
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(self._address)
            except OSError:
                connection.close()
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the worker server did not start; what it printed says why") from None
                time.sleep(0.02)
            else:
                return connection

    def close(self) -> None:
        """End the worker server."""
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()


def family(temporary: Path) -> list[int]:
    """Return the living processes that were started with this folder for their temporary files."""
    mark = f"TMPDIR={temporary}\0".encode()
    found = []
    for pid in psutil.pids():
        with suppress(OSError):  # Gone, or another user's. Of a zombie nothing is left to read.
            if mark in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
    return found


def survivors(temporary: Path, seconds: float = 60.0) -> list[str]:
    """Wait for the family of a dead worker to end; returns those that did not, and kills them."""
    deadline = time.monotonic() + seconds
    while left := family(temporary):
        if time.monotonic() > deadline:
            names = []
            for pid in left:
                with suppress(psutil.Error):
                    names.append(f"{pid} {' '.join(psutil.Process(pid).cmdline())[:120]}")
                    os.kill(pid, signal.SIGKILL)
            return names
        time.sleep(0.02)
    return []
