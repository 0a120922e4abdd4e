"""The door to untrusted files: worker processes that may fail without harm.

Workers are forked from a server process that has the parsers imported already, so a worker starts in
milliseconds. Each has a memory limit, an environment without secrets, a temporary folder of its own and
no way to open a socket; each task has a time limit. A worker that dies or overstays costs its task alone
and is replaced.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import Any, Literal

Failure = Literal["timeout", "memory", "crashed", "error"]

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "1",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "SYSTEMROOT")

RECYCLE_AFTER = 1000
"""Tasks after which a worker is replaced: parsers leak, and a fork costs milliseconds."""


@dataclass(frozen=True)
class Task:
    """Something to parse.

    Attributes:
        key: given back with the outcome.
        arguments: of the entry function; picklable.
    """

    key: Any
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        key: of the task.
        value: what the entry function returned, if it did.
        failure: why there is no value.
        detail: the exception's type, or the limit; never the document's text.
        seconds: wall time in the worker.
    """

    key: Any
    value: Any = None
    failure: Failure | None = None
    detail: str = ""
    seconds: float = 0.0


@dataclass
class _Worker:
    process: Any
    pipe: connection.Connection
    memory_mb: int
    task: Task | None = None
    started: float = 0.0
    served: int = 0


class ParserPool:
    """Worker processes that run one function on untrusted files.

    The function is named, not passed: only the workers import it.
    """

    def __init__(self, entry: str, preload: tuple[str, ...], processes: int | None = None) -> None:
        """Describe the pool; nothing is started yet.

        Args:
            entry: `module:function`.
            preload: modules that the server imports before it forks.
            processes: workers side by side; by default one a core.
        """
        self.entry = entry
        self.preload = preload
        self.processes = processes or max(1, os.cpu_count() or 1)
        self._context = multiprocessing.get_context("forkserver")
        self._workers: list[_Worker] = []
        self._folder: str | None = None
        self._lock = threading.Lock()

    def warm(self, further: Iterable[str] = ()) -> None:
        """Start the server, which imports the preloaded modules while we do something else.

        Args:
            further: modules that this run will need; only the first call in a process can add any.
        """
        with self._lock:
            if self._folder is None:
                self._folder = tempfile.mkdtemp(prefix="suimon-parse-")
            with _scrubbed_environment(self._folder):
                self._context.set_forkserver_preload([*self.preload, *further])
                forkserver.ensure_running()

    def map(self, tasks: Iterable[Task], *, seconds: float, memory_mb: int) -> Iterator[Outcome]:
        """Run tasks on all workers and yield outcomes as they come.

        Tasks are drawn as workers fall idle, so memory does not grow with their number.

        Args:
            tasks: what to do.
            seconds: wall time limit of a task.
            memory_mb: memory that a worker may take beyond what it starts with, in MiB.
        """
        self.warm()
        waiting = iter(tasks)
        exhausted = False
        try:
            while True:
                while not exhausted and (worker := self._idle(memory_mb)) is not None:
                    task = next(waiting, None)
                    if task is None:
                        exhausted = True
                        break
                    worker.task, worker.started = task, time.monotonic()
                    with suppress(OSError):  # A dead worker shows as an end of file below.
                        worker.pipe.send(task.arguments)
                busy = [worker for worker in self._workers if worker.task is not None]
                if not busy:
                    return
                yield from self._collect(busy, seconds)
        finally:
            for worker in [w for w in self._workers if w.task is not None]:
                self._end(worker)

    def _idle(self, memory_mb: int) -> _Worker | None:
        for worker in [worker for worker in self._workers if worker.task is None]:
            if worker.memory_mb == memory_mb and worker.process.is_alive():
                return worker
            self._end(worker)
        if len(self._workers) < self.processes:
            worker = self._start(memory_mb)
            self._workers.append(worker)
            return worker
        return None

    def _start(self, memory_mb: int) -> _Worker:
        ours, theirs = self._context.Pipe()
        folder = tempfile.mkdtemp(dir=self._folder)
        process = self._context.Process(
            target=_serve, args=(theirs, self.entry, memory_mb, folder), name="suimon-parser", daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, memory_mb)

    def _collect(self, busy: list[_Worker], seconds: float) -> Iterator[Outcome]:
        nearest = min(worker.started for worker in busy) + seconds - time.monotonic()
        ready = connection.wait([worker.pipe for worker in busy], timeout=max(0.0, min(nearest, 1.0)))
        now = time.monotonic()
        for worker in busy:
            task = worker.task
            if task is None:
                continue
            if worker.pipe in ready:
                yield self._receive(worker, task)
            elif now - worker.started > seconds:
                self._end(worker)
                yield Outcome(task.key, failure="timeout", detail=f"{seconds:g} s", seconds=now - worker.started)

    def _receive(self, worker: _Worker, task: Task) -> Outcome:
        taken = time.monotonic() - worker.started
        try:
            value, failure, detail = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            code = worker.process.exitcode
            self._end(worker)
            died_by = f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
            return Outcome(task.key, failure="crashed", detail=died_by, seconds=taken)
        worker.task = None
        worker.served += 1
        if failure == "memory" or worker.served >= RECYCLE_AFTER:
            self._end(worker)
        return Outcome(task.key, value, failure, detail, taken)

    def _end(self, worker: _Worker) -> None:
        worker.task = None
        if worker in self._workers:
            self._workers.remove(worker)
        worker.pipe.close()
        if worker.process.is_alive():
            worker.process.kill()
        worker.process.join(5)

    def close(self) -> None:
        """End all workers and remove their folders; the pool can be used again."""
        with self._lock:
            for worker in list(self._workers):
                self._end(worker)
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None


@contextmanager
def _scrubbed_environment(folder: str) -> Iterator[None]:
    """Let the fork server inherit only what a parser needs: no key, no DSN."""
    saved = dict(os.environ)
    kept = {name: saved[name] for name in _PASSED_ON if name in saved}
    os.environ.clear()
    os.environ.update(kept | TELEMETRY_OFF | {"HOME": folder, "MPLCONFIGDIR": folder, "OMP_NUM_THREADS": "1"})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


def _serve(pipe: connection.Connection, entry: str, memory_mb: int, folder: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.addaudithook(_refuse_network)
    tempfile.tempdir = folder
    os.environ.update(TMPDIR=folder, HOME=folder)
    _limit_memory(memory_mb)
    module, _, function = entry.partition(":")
    run = getattr(importlib.import_module(module), function)
    while True:
        try:
            arguments = pipe.recv()
        except (EOFError, OSError):
            shutil.rmtree(folder, ignore_errors=True)
            return
        try:
            answer: tuple[Any, str | None, str] = (run(*arguments), None, "")
        except MemoryError:
            answer = (None, "memory", f"{memory_mb} MiB")
        except Exception as error:
            answer = (None, "error", _describe(error))
        pipe.send(answer)


def _describe(error: Exception) -> str:
    """Name an exception and where it arose; its message may hold text of the document."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    reason = getattr(error, "reason", None)
    return f"{reason}" if isinstance(reason, str) else f"{type(error).__name__}{where}"


def _refuse_network(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith("socket.") and event != "socket.__new__":
        raise PermissionError("a parser may not use the network")


def _limit_memory(memory_mb: int) -> None:
    present = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    limit = present + memory_mb * (1 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
