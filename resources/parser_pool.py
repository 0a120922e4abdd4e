"""The door to untrusted files: worker processes that may fail without harm.

Workers are forked from a server process that has the parsers imported already, so a worker starts in
milliseconds. Each has a memory limit, an environment without secrets, a temporary folder of its own and
no network; each task has limits of time, processor and output. A worker that dies or overstays costs its
task alone and is replaced, and whatever it started ends with it.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from typing import Any

from resources.parser_worker import Answer, Failure, serve
from resources.sandbox import end_session

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

START_SECONDS = 300.0
"""Within which a worker has to be ready: the first waits for the server's imports. No task's time."""


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
        detail: of what was refused, the reason code; else the exception's type and place, or the limit. Never the
            document's text.
        seconds: wall time from when the worker had the task.
        peak_mb: MiB of memory that the task took at most, with the largest program that it ran.
    """

    key: Any
    value: Any = None
    failure: Failure | None = None
    detail: str = ""
    seconds: float = 0.0
    peak_mb: int = 0


@dataclass
class _Worker:
    process: Any
    pipe: connection.Connection
    memory_mb: int
    folder: str
    task: Task | None = None
    ready: bool = False
    started: float = 0.0
    served: int = 0

    def remaining(self, seconds: float) -> float:
        """Return how long its task, or its start, may still take."""
        return self.started + (seconds if self.ready else START_SECONDS) - time.monotonic()


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
            seconds: limit of a task, of wall time and of processor time alike.
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
                        worker.pipe.send((task.arguments, seconds))
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
            target=serve, args=(theirs, self.entry, memory_mb, folder), name="suimon-parser", daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, memory_mb, folder)

    def _collect(self, busy: list[_Worker], seconds: float) -> Iterator[Outcome]:
        nearest = min(worker.remaining(seconds) for worker in busy)
        ready = connection.wait([worker.pipe for worker in busy], timeout=max(0.0, min(nearest, 1.0)))
        for worker in busy:
            task = worker.task
            if task is None:
                continue
            if worker.pipe in ready:
                outcome = self._receive(worker, task, seconds)
                if outcome is not None:
                    yield outcome
            elif worker.remaining(seconds) < 0:
                taken = time.monotonic() - worker.started
                self._end(worker)
                yield Outcome(task.key, failure="timeout", detail=f"{seconds:g} s", seconds=taken)

    def _receive(self, worker: _Worker, task: Task, seconds: float) -> Outcome | None:
        taken = time.monotonic() - worker.started
        try:
            answer: Answer | None = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            code = worker.process.exitcode
            self._end(worker)
            return _obituary(task, code, seconds, taken)
        if answer is None:  # The worker is there, and begins with the task, which it has already.
            worker.ready, worker.started = True, time.monotonic()
            return None
        worker.task = None
        worker.served += 1
        if answer.failure == "memory" or worker.served >= RECYCLE_AFTER:
            self._end(worker)
        return Outcome(task.key, answer.value, answer.failure, answer.detail, taken, answer.peak_mb)

    def _end(self, worker: _Worker) -> None:
        worker.task = None
        if worker in self._workers:
            self._workers.remove(worker)
        worker.pipe.close()
        if worker.process.is_alive():
            worker.process.kill()
        end_session(worker.process.pid)
        worker.process.join(5)
        shutil.rmtree(worker.folder, ignore_errors=True)

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


def _obituary(task: Task, code: int | None, seconds: float, taken: float) -> Outcome:
    if code in {-signal.SIGXCPU, -signal.SIGALRM}:
        return Outcome(task.key, failure="timeout", detail=f"{seconds:g} s", seconds=taken)
    died_by = f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
    return Outcome(task.key, failure="crashed", detail=died_by, seconds=taken)
