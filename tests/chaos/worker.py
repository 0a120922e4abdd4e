"""A server that has the product imported, and forks a worker for each job within milliseconds.

Run as `python -m tests.chaos.worker SOCKET`. Each connection brings one job and hears how its worker ended.
It adopts what dead workers leave behind, so that nothing stays a zombie.
"""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import selectors
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

# Forked processes must not inherit threads of a numerical library.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", GX_ANALYTICS_ENABLED="false")

import psutil
import psycopg

from assets import engine
from assets.chunks import stage as chunk_stage
from assets.documents import stage as document_stage
from assets.elements import stage as element_stage
from assets.elements.document import Unparseable
from assets.elements.parsing import parse_packed
from assets.llm import Llm
from assets.profiles.stage import make_profiles
from assets.settings import Collection, Space
from assets.workbench import Doors, Workbench
from resources import failpoints
from resources.parser_pool import Outcome, Task
from tests.chaos.checks import CONCURRENCY
from tests.chaos.job import GOLDEN, Job, Journal, Strike
from tests.chaos.questions import DECLARED
from tests.chaos.server import HAND
from tests.chaos.states import read_state
from tests.fakes import counted_audits

LEASE_SECONDS = 0.6
"""A dead holder is waited for this long. Nobody else wants the collection, so a late renewal does no harm."""

_PR_SET_CHILD_SUBREAPER = 36


class Struck(Exception):
    """The exception that a strike raises."""


class OwnParser:
    """Parses in the worker itself: a family of processes takes over a second to start."""

    def warm(self, further: Iterable[str] = ()) -> None:
        """Do nothing."""

    def map(self, tasks: Iterable[Task], *, seconds: float, memory_mb: int) -> Iterator[Outcome]:
        """Parse one file after the other."""
        for task in tasks:
            try:
                yield Outcome(task.key, parse_packed(*task.arguments))
            except Unparseable as error:
                yield Outcome(task.key, failure="refused", detail=error.reason)

    def close(self) -> None:
        """Do nothing."""


class Hook:
    """Writes down each failpoint and what a reader sees there, and strikes at the one that was chosen."""

    def __init__(self, job: Job, journal: Journal) -> None:
        """Remember the job; the hand that strikes is connected before it is needed."""
        self._job = job
        self._journal = journal
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._hand: psycopg.Connection[Any] | None = None
        self._connect()

    def _connect(self) -> None:
        with suppress(psycopg.Error):
            self._hand = psycopg.connect(self._job.dsn, autocommit=True, application_name=HAND, connect_timeout=2)

    def __call__(self, name: str) -> None:
        """Hear of a failpoint."""
        with self._lock:
            self._counts[name] += 1
            nth = self._counts[name]
            self._look(name)
            strike = self._job.strike
            mine = strike is not None and (strike.point, strike.nth) == (name, nth)
        if mine and strike is not None:
            if strike.delay:
                victims = self._backends() if strike.action == "terminate" else []
                threading.Thread(target=self._later, args=(strike, victims), daemon=True).start()
            else:
                self._strike(strike)

    def _look(self, name: str) -> None:
        self._journal.write("reached", name)
        try:
            if self._hand is not None:
                self._journal.write("seen", read_state(self._hand))
        except psycopg.Error:
            self._hand = None  # The postmaster is gone; its reader in the other process will see the rest.

    def _strike(self, strike: Strike) -> None:
        if self._job.earnest:
            self._journal.write("kin", " ".join(str(one.pid) for one in psutil.Process().children(recursive=True)))
        self._journal.write("struck", str(strike))
        if strike.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif strike.action == "postmaster":
            os.kill(self._job.postmaster, signal.SIGKILL)
        elif strike.action == "raise":
            raise Struck(str(strike))
        elif self._hand is not None:
            self._hand.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name <> %s",
                [HAND],
            )

    def _backends(self) -> list[int]:
        if self._hand is None:
            return []
        found = self._hand.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name <> %s", [HAND]
        )
        return [row[0] for row in found.fetchall()]

    def _later(self, strike: Strike, victims: list[int]) -> None:
        time.sleep(strike.delay)
        self._journal.write("struck", str(strike))
        if strike.action == "terminate":
            for victim in victims:
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGTERM)
        else:
            os.kill(os.getpid() if strike.action == "kill" else self._job.postmaster, signal.SIGKILL)


def workbench(job: Job) -> Workbench:
    """Return the product's settings for a job: chunks and requests so small that a few documents make many."""
    collection = {
        "source": str(job.source),
        "chunking": {"max_tokens": 48, "min_tokens": 4},
        "limits": {"quarantined_share": 1, "vanished_share": 1},
        "profiles": {},
    }
    space = {
        "base_url": job.endpoint, "model": "fake", "token_limit": 128, "max_inputs": 2, "concurrency": CONCURRENCY,
    }  # fmt: skip
    if (job.source / GOLDEN).exists():
        collection["golden"] = {"file": str(job.source / GOLDEN), "tolerance": 1}
    bench = Workbench(
        collections={"notes": Collection.model_validate(collection)},
        spaces={"small": Space.model_validate(space)},
        llm=Llm.model_validate(DECLARED | {"base_url": job.llm}),
        root=job.source.parent,
        doors=Doors(lambda: job.dsn, lambda: job.endpoint),
        state_folder=job.folder / "state",
        lease_seconds=LEASE_SECONDS,
        lease_wait_seconds=20.0,
        parsers=2,
        accept_deletions=True,
        accept_growth=True,
        asked_by="chaos",
    )
    if not job.earnest:
        bench.__dict__["parser_pool"] = OwnParser()
    return bench


def perform(job: Job) -> int:
    """Do a job in this process, and return its exit code."""
    job.temporary.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = str(job.temporary)
    tempfile.tempdir = None
    journal = Journal(job.folder / "journal")
    if job.small_batches:
        document_stage.BATCH = 4
        element_stage.WRITE_DOCUMENTS = 3
        chunk_stage.WRITE_CHUNKS = 6
    if not job.earnest:
        counted_audits.stand_in()
    failpoints.install(Hook(job, journal))
    journal.write("began", str(os.getpid()))
    try:
        bench = workbench(job)
        try:
            if job.sabotage:
                from tests.chaos import sabotage

                getattr(sabotage, job.sabotage)()
            _work(job, bench)
        finally:
            bench.close()
    except BaseException as error:
        traceback.print_exc()
        journal.write("failed", f"{type(error).__name__}: {error}")
        return int(getattr(error, "exit_code", 1)) or 1
    journal.write("done", "")
    return 0


def _work(job: Job, bench: Workbench) -> None:
    if job.work == "sweep":
        from assets.upkeep.sweep import sweep

        sweep(bench, run_id=job.run_id, keep_days=0, keep_publishes=1, batch=4)
    elif job.work == "profile":
        make_profiles(bench, "notes", job.run_id)
    elif job.work == "rollback":
        from assets.publication.rollback import rollback

        rollback(bench, "notes", 1, by="chaos", run_id=job.run_id)
    else:
        engine.refresh_collection(bench, "notes", job.run_id)


class Nursery:
    """Forks a worker a connection, and tells each how its worker ended."""

    def __init__(self, address: str) -> None:
        """Listen at a path."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(32)
        self._ended, self._wake = socket.socketpair()
        self._ended.setblocking(False)
        self._wake.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake.fileno())
        self._waiting: dict[int, socket.socket] = {}
        self._postmaster = 0

    def serve(self, parent: int) -> None:
        """Work until the process that wanted this one is gone.

        Args:
            parent: its process id.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            while os.getppid() == parent:
                for key, _ in selector.select(timeout=1.0):
                    if key.fileobj is self._listener:
                        self._begin()
                    else:
                        with suppress(BlockingIOError):
                            self._ended.recv(4096)
                self._bury()
        if self._postmaster:  # Whoever wanted this process was killed, and could not stop its server.
            with suppress(ProcessLookupError):
                os.kill(self._postmaster, signal.SIGQUIT)

    def _begin(self) -> None:
        connection, _ = self._listener.accept()
        with connection.makefile("rb") as stream:
            job: Job = pickle.load(stream)
        self._postmaster = job.postmaster
        child = os.fork()
        if child == 0:
            self._live(job)
        connection.sendall(f"{child}\n".encode())
        self._waiting[child] = connection

    def _live(self, job: Job) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for connection in (self._listener, self._ended, self._wake, *self._waiting.values()):
            connection.close()
        code = 1
        try:
            job.folder.mkdir(parents=True, exist_ok=True)
            printed = os.open(job.folder / "printed", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            for descriptor in (1, 2):
                os.dup2(printed, descriptor)
            code = perform(job)
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _bury(self) -> None:
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if child == 0:
                return
            connection = self._waiting.pop(child, None)
            if connection is not None:
                with connection, suppress(OSError):
                    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _preload() -> None:
    import great_expectations
    import jsonschema
    import openai.resources.chat.completions
    import openai.resources.embeddings
    import referencing
    import sqlalchemy.dialects.postgresql.psycopg
    from great_expectations import expectations as theirs

    import assets.elements.preload
    from assets.elements import language
    from assets.elements.readers import markup, plain

    assert all((great_expectations, jsonschema, openai, referencing, sqlalchemy, theirs, assets, markup, plain))
    language._factory()  # Tables that every parser process loads; here once for all.


def main() -> None:
    """Import the product, say so, serve."""
    parent = os.getppid()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _preload()
    if threading.active_count() > 1:
        raise RuntimeError("a process with threads must not fork")
    gc.collect()
    gc.freeze()  # Or each worker's collector would touch, and so copy, all that was imported.
    Nursery(sys.argv[1]).serve(parent)
    Path(sys.argv[1]).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
