"""The world in which workers die: a server, a corpus, an endpoint, a reader, and the comparison afterwards."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest

from resources.migrator import migrate
from resources.postgres import Database
from tests.chaos import checks
from tests.chaos.crew import Crew, Worker, survivors
from tests.chaos.endpoint import NotingServer, noting
from tests.chaos.job import Action, Entry, Job, Strike, Work
from tests.chaos.questions import Questions, describing
from tests.chaos.reader import Reader
from tests.chaos.server import HAND, Server
from tests.chaos.states import NOTHING, read_state
from tests.fakes.llm_server import LlmServer

MIGRATED = "migrated"
"""Template: the schema and no row."""

FIRST = (NOTHING, "d41d8cd98f00b204e9800998ecf8427e 0 chunks")
"""The states before the first publish: without the public tables, then with empty ones."""

ATTEMPTS = 3

_shared: list[World] = []


def shared(config: pytest.Config) -> World:
    """Return the world that all tests of a session share; it ends with the session."""
    if not _shared:
        _shared.append(World())
        config.add_cleanup(_shared[0].close)
    return _shared[0]


@dataclass(frozen=True)
class Moment:
    """An interruption at a time, from outside.

    Attributes:
        action: what happens.
        seconds: after the start of the worker.
        victims: of the backends: all, or one of them.
    """

    action: Action
    seconds: float
    victims: Literal["all", "one"] = "all"

    def __str__(self) -> str:
        """Say it in a few words."""
        one = " of one backend" if self.victims == "one" else ""
        return f"{self.action}{one} after {self.seconds * 1000:.0f} ms"


@dataclass(frozen=True)
class Outcome:
    """A state that was reached without interruption: what an interrupted run has to reach as well.

    Attributes:
        state: what readers see.
        content: digests of all tables.
        reached: failpoints in order.
        seconds: how long the run took.
        texts: that were sent.
    """

    state: str
    content: dict[str, str]
    reached: tuple[str, ...]
    seconds: float
    texts: int


@dataclass(frozen=True)
class Case:
    """A run that is interrupted.

    Attributes:
        template: database that it starts from.
        source: the documents.
        before: states that readers may see until the flip, in order.
        oracle: the state that a table built from scratch has.
        twin: what the same run reaches without interruption.
        interruptions: one a run; the run after the last is let be.
        work: which function of the product.
        earnest: whether nothing of the product is replaced by something quicker.
        small_batches: whether stages commit after a few documents.
        sabotage: a fault to put into the product.
        endpoint_seconds: how long an answer takes.
        later: the documents as they are when the run after the interruptions begins, with the state of a table that
            is built from them; None where they stay. There is no twin then: what the first documents left in the
            cache is not what they would have left.
    """

    template: str
    source: Path
    before: tuple[str, ...]
    oracle: str
    twin: Outcome
    interruptions: tuple[Strike | Moment, ...]
    work: Work = "refresh"
    earnest: bool = False
    small_batches: bool = True
    sabotage: str = ""
    endpoint_seconds: float = 0.0
    later: tuple[Path, str] | None = None

    @property
    def final(self) -> str:
        """The state that readers must see in the end."""
        return self.later[1] if self.later else self.oracle

    @property
    def allowed(self) -> list[str]:
        """The states of all publishes that may come about, in their order."""
        return [*self.before, self.oracle, *([self.later[1]] if self.later else [])]


@dataclass
class Verdict:
    """What came of a case.

    Attributes:
        problems: sentences; none if all is well.
        struck: where the interruptions fell; empty for one that came too late.
        texts: sent in all runs.
        twice: of those, sent twice because they were in flight.
        reads: by the reader.
        states: distinct ones that it saw.
        reruns: runs after the last interruption.
    """

    problems: list[str] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)
    texts: int = 0
    twice: int = 0
    reads: int = 0
    states: int = 0
    reruns: int = 0


class World:
    """A server, a crew of workers, and a folder for everything else."""

    def __init__(self) -> None:
        """Start both; they start side by side."""
        self.crew = Crew()
        self.server = Server()
        self.folder = Path(tempfile.mkdtemp(prefix="suimon-world-"))
        self._numbers = itertools.count(1)
        migrate(Database(self.server.create(MIGRATED)))

    def close(self) -> None:
        """End everything."""
        self.crew.close()
        self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def job(self, database: str, source: Path, endpoint: NotingServer, llm: LlmServer, **further: Any) -> Job:
        number = next(self._numbers)
        return Job(
            work=further.pop("work", "refresh"), run_id=f"run-{number}", dsn=self.server.dsn(database),
            postmaster=self.server.postmaster, endpoint=endpoint.url, llm=llm.url, source=source,
            folder=self.folder / f"run-{number}", **further,
        )  # fmt: skip

    def settle(self, name: str, template: str, source: Path, *, work: Work = "refresh", keep: bool = False) -> Outcome:
        """Refresh once without interruption, in a copy of a database.

        Args:
            name: of the copy.
            template: the database.
            source: the documents.
            work: which function of the product.
            keep: whether the copy stays, as a template for others.

        Raises:
            RuntimeError: it failed, which nothing here explains.
        """
        self.server.create(name, template)
        with noting() as endpoint, describing() as llm:
            worker = self.crew.start(self.job(name, source, endpoint, llm, work=work))
            code = worker.wait()
            journal = worker.journal
            if code:
                raise RuntimeError(f"a run that nobody interrupted failed: {journal[-1:]}\n{worker.printed}")
            with self.server.hand(name) as hand:
                checks.await_backends(hand)
                known = checks.passages(hand)
                outcome = Outcome(
                    read_state(hand), checks.content(hand),
                    tuple(entry.text for entry in journal if entry.kind == "reached"),
                    journal[-1].at - journal[0].at, sum(text in known for text in endpoint.texts),
                )  # fmt: skip
        if not keep:
            self.server.drop(name)
        shutil.rmtree(worker.job.folder, ignore_errors=True)
        return outcome

    def oracle(self, source: Path) -> str:
        """Return the state of a table that is built from scratch, with an endpoint of its own."""
        return self.settle(f"oracle_{next(self._numbers)}", MIGRATED, source).state

    def run(self, case: Case) -> Verdict:
        """Interrupt a run, do it again until it succeeds, and compare."""
        verdict = Verdict()
        name = f"case_{next(self._numbers)}"
        dsn = self.server.create(name, case.template)
        with noting(case.endpoint_seconds) as endpoint, describing() as llm:
            reader = Reader(dsn)
            try:
                _Trial(self, case, verdict, name, endpoint, Questions(llm)).run()
            finally:
                reads = reader.stop()
        states = [read.state for read in reads]
        verdict.reads, verdict.states = len(states), len(set(states))
        verdict.problems += checks.mixed_reads(states, case.allowed)
        if states[-1] != case.final:
            verdict.problems.append(f"readers see {states[-1]}, where the oracle has {case.final}")
        self.server.drop(name)
        return verdict


@dataclass
class _Trial:
    """One case under way."""

    world: World
    case: Case
    verdict: Verdict
    database: str
    endpoint: NotingServer
    questions: Questions

    def run(self) -> None:
        """Interrupt, run again, compare."""
        with self.world.server.hand(self.database) as hand:
            self.questions.look(hand)
        marks, stored = [0], [set[str]()]
        for interruption in self.case.interruptions:
            self._interrupted(interruption)
            marks.append(len(self.endpoint.log))
            stored.append(self._stored())
        self._rerun()
        marks.append(len(self.endpoint.log))
        with self.world.server.hand(self.database) as hand:
            known = checks.passages(hand)
            self._compare(hand)
            self.questions.look(hand)
        self.verdict.problems += self.questions.problems
        earlier: set[str] = set()
        for begin, end, kept in zip(marks[:-1], marks[1:], stored, strict=True):
            sent = [text for texts in self._passages(end, known)[len(self._passages(begin, known)) :] for text in texts]
            wrong, twice = checks.paid_again(earlier, sent, kept)
            wrong += checks.lost_answers(self._passages(begin, known), kept)
            self.verdict.problems += wrong
            self.verdict.twice += twice
            self.verdict.texts += len(sent)
            earlier |= set(sent)

    def _passages(self, end: int, known: set[str]) -> list[list[str]]:
        """Return the texts of each request up to one, without the probes of a new space, which are no passages."""
        return [request.texts for request in self.endpoint.log[:end] if known.issuperset(request.texts)]

    def _stored(self) -> set[str]:
        with self.world.server.hand(self.database) as hand:
            self.verdict.problems += checks.await_backends(hand)
            self.questions.look(hand)
            return checks.stored_texts(hand)

    def _start(self, source: Path, strike: Strike | None, sabotage: str = "") -> Worker:
        job = self.world.job(
            self.database, source, self.endpoint, self.questions.server, work=self.case.work, strike=strike,
            earnest=self.case.earnest, small_batches=self.case.small_batches, sabotage=sabotage,
        )  # fmt: skip
        return self.world.crew.start(job)

    def _interrupted(self, interruption: Strike | Moment) -> None:
        strike = interruption if isinstance(interruption, Strike) else None
        worker = self._start(self.case.source, strike, self.case.sabotage)
        with self._keeper(interruption.action):
            if isinstance(interruption, Moment):
                fell = self._await_moment(worker, interruption)
            worker.wait()
        self.world.server.revive()
        journal = worker.journal
        if strike is not None:
            fell = any(entry.kind == "struck" for entry in journal)
        last = next((entry.text for entry in reversed(journal) if entry.kind == "reached"), "the start")
        if fell:
            self.verdict.struck.append(f"{interruption}, past {last}")
        self._aftermath(worker, journal)

    @contextmanager
    def _keeper(self, action: Action) -> Iterator[None]:
        """Start the server again while the worker still lives, as an operating system's service would."""
        if action != "postmaster":
            yield
            return
        done = threading.Event()

        def keep() -> None:
            while not done.wait(0.01):
                if self.world.server.dead:
                    self.world.server.revive()

        thread = threading.Thread(target=keep, name="keeper", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _await_moment(self, worker: Worker, moment: Moment) -> bool:
        """Interrupt from outside; says whether the worker was still at work."""
        with self.world.server.hand(self.database) as hand:
            time.sleep(moment.seconds)  # The moment is what is being tried; nothing is expected to be ready by then.
            at_work = _lives(worker.pid)
            if moment.action == "kill":
                worker.kill()
            elif moment.action == "postmaster":
                self.world.server.kill()
            else:
                query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name <> %s"
                victims = [int(str(row[0])) for row in hand.execute(query, [HAND]).fetchall()]
                if moment.victims == "one" and victims:
                    victims = [random.Random(repr(moment)).choice(sorted(victims))]
                for victim in victims:
                    hand.execute("SELECT pg_terminate_backend(%s, 5000)", [victim])
        return at_work

    def _aftermath(self, worker: Worker, journal: list[Entry]) -> None:
        left = survivors(worker.job.temporary)
        self.verdict.problems += [f"an orphan stayed alive: {one}" for one in left]
        seen = [entry.text for entry in journal if entry.kind == "seen"]
        self.verdict.problems += checks.mixed_reads(seen, self.case.allowed)
        shutil.rmtree(worker.job.folder, ignore_errors=True)

    def _rerun(self) -> None:
        source = self.case.later[0] if self.case.later else self.case.source
        for attempt in range(1, ATTEMPTS + 1):
            worker = self._start(source, None)
            code = worker.wait()
            journal = worker.journal
            self.verdict.reruns = attempt
            if code == 0:
                self._aftermath(worker, journal)
                return
            why = journal[-1].text if journal else "it died at once"
            self.verdict.problems.append(f"run {attempt} after the interruption ended with {code}: {why}")
        self.verdict.problems.append(worker.printed)

    def _compare(self, hand: psycopg.Connection[Any]) -> None:
        self.verdict.problems += checks.await_backends(hand)
        state = read_state(hand)
        if state != self.case.final:
            self.verdict.problems.append(f"the table is {state}, where the oracle has {self.case.final}")
        killed_server = any(one.action == "postmaster" for one in self.case.interruptions)
        self.verdict.problems += checks.leftovers(
            hand, temporary=not killed_server, settled=self.case.work != "rollback"
        )
        if self.case.later is None:
            twin = dict(self.case.twin.content)
            if self.case.work == "rollback":  # One whose commit nobody could confirm is asked for, and noted, again.
                del twin["publishes"]
            self.verdict.problems += checks.differences(checks.content(hand), twin)


def _lives(pid: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIG_DFL)
        return True
    return False
