"""Runs that describe documents, in processes of their own: killed while they work, and beside each other."""

from __future__ import annotations

import itertools
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assets.workbench import Workbench
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.describing import HeldLlm, data_of
from tests.fakes.llm_server import serve_llm
from tests.processes import Job, Nursery, Process, nursery, until

DOCUMENTS = 9
CONCURRENCY = 3
_numbers = itertools.count()
Start = Callable[..., Process]


@pytest.fixture(scope="module")
def processes() -> Iterator[Nursery]:
    """Forks runs."""
    with nursery() as found:
        yield found


@pytest.fixture
def llm() -> Iterator[HeldLlm]:
    """A model that can hold its answers back."""
    with serve_llm(HeldLlm()) as server:
        assert isinstance(server, HeldLlm)
        yield server
        server.open()


@pytest.fixture
def start(
    processes: Nursery,
    make_bench: Callable[..., Workbench],
    database: Database,
    llm: HeldLlm,
    tmp_path: Path,
    corpus: Path,
) -> Iterator[Start]:
    """Publishes some documents, and starts runs that have them described."""
    for path in corpus.iterdir():
        path.unlink()
    for number in range(DOCUMENTS):
        write(corpus, f"{number}.txt", f"Gate{number} is opened when the water is high.\n")
    bench = make_bench(profiles={})
    refresh(bench)
    settings = {"source": str(corpus), "chunking": {"max_tokens": 64, "min_tokens": 4}, "profiles": {}}

    def begin(points: dict[str, str] | None = None, **declared: Any) -> Process:
        number = next(_numbers)
        job = Job(
            folder=str(tmp_path / f"process-{number}"),
            dsn=database.dsn,
            collections={"notes": settings},
            space={"base_url": "http://127.0.0.1:9/v1", "model": "fake", "token_limit": 128},
            name="notes",
            run_id=f"profiles-{number}",
            points=points or {},
            llm={"base_url": llm.url, "model": "fake", "concurrency": CONCURRENCY, "deadline_seconds": 60} | declared,
        )
        return processes.start(job)

    yield begin
    llm.open()
    processes.clear()


def described(database: Database) -> int:
    """Return how many documents have a profile, shown or not."""
    return int(rows(database, "SELECT count(*) FROM profiles", "pipeline")[0][0])


def shown(database: Database) -> int:
    """Return how many documents show a profile."""
    return int(rows(database, "SELECT count(profile) FROM search.documents")[0][0])


def test_a_run_killed_while_a_model_thinks_is_gone_on_with_and_only_what_was_under_way_is_asked_again(
    start: Start, llm: HeldLlm, database: Database
) -> None:
    llm.holds = lambda number: number > 4
    first = start()
    until(lambda: len(llm.held) == CONCURRENCY, "the model to think about the last of its questions")
    until(lambda: described(database) == 4, "the answers that had come to be kept")
    first.signal(signal.SIGKILL)
    assert shown(database) == 0
    under_way = {data_of(body) for body in llm.held}
    llm.open()
    second = start().result()
    assert (second["error"], second["counts"]["profiles"]["described"]) == ("", DOCUMENTS - 4)
    assert shown(database) == DOCUMENTS
    assert {text for text, times in Counter(llm.asked).items() if times > 1} == under_way
    assert len(llm.bodies) == DOCUMENTS + CONCURRENCY
    assert rows(database, "SELECT count(*) FROM profile_parts", "pipeline") == [(0,)]
    paid = "SELECT sum(inputs) FROM search.costs WHERE stage = 'profiles'"
    assert rows(database, paid, "pipeline") == [(DOCUMENTS,)]


@pytest.mark.parametrize("point", ["profiles.answer_written", "profiles.written", "profiles.audited"])
def test_what_was_answered_before_a_run_was_killed_is_never_asked_again(
    start: Start, llm: HeldLlm, database: Database, point: str
) -> None:
    first = start({point: "kill"})
    until(lambda: not first.alive, "the run to die")
    kept = rows(database, "SELECT count(*) FROM profile_parts", "pipeline")[0][0] + described(database)
    asked = len(llm.bodies)
    assert asked - kept <= CONCURRENCY
    assert start().result()["error"] == ""
    assert shown(database) == DOCUMENTS
    assert len(llm.bodies) == asked + DOCUMENTS - kept


def test_two_runs_share_the_documents_and_ask_about_each_once(start: Start, llm: HeldLlm, database: Database) -> None:
    llm.holds = lambda number: True
    first, second = start(), start()
    until(lambda: len(llm.held) == 2 * CONCURRENCY, "both runs to ask")
    assert len(set(llm.asked)) == 2 * CONCURRENCY
    llm.open()
    counts = [process.result()["counts"]["profiles"] for process in (first, second)]
    assert sum(count["described"] for count in counts) == DOCUMENTS
    assert [count["waiting"] for count in counts] == [0, 0]
    assert set(Counter(llm.asked).values()) == {1}
    assert shown(database) == DOCUMENTS


def test_what_a_run_that_dies_had_claimed_is_taken_over_by_the_one_that_waits_for_it(
    start: Start, llm: HeldLlm, database: Database
) -> None:
    llm.holds = lambda number: number <= CONCURRENCY
    first = start()
    until(lambda: len(llm.held) == CONCURRENCY, "the first run to ask")
    second = start()
    until(lambda: described(database) == DOCUMENTS - CONCURRENCY, "the second run to do the rest")
    assert second.alive
    first.signal(signal.SIGKILL)
    counts = second.result()["counts"]["profiles"]
    assert (counts["described"], counts["elsewhere"], counts["waiting"]) == (DOCUMENTS, 0, 0)
    assert shown(database) == DOCUMENTS
    assert len(llm.bodies) == DOCUMENTS + CONCURRENCY
