"""The assembly line of profiles: side by side up to the limits, ended at any question, beside other runs."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assets.profiles.stage import ProfileReport, make_profiles, open_profiling
from assets.workbench import Workbench
from resources import attempts, failpoints
from resources.errors import EndpointRefused, EndpointUnavailable
from resources.postgres import Database, Session
from tests.conftest import refresh, rows, write
from tests.fakes import counted_audits
from tests.fakes.describing import HeldLlm, data_of, with_llm
from tests.fakes.http_wire import Answer
from tests.fakes.llm_server import serve_llm
from tests.processes import until

_numbers = itertools.count()
Make = Callable[..., Workbench]
SMALL = {"context_tokens": 3000, "max_output_tokens": 400, "bytes_per_token": 4.0}
"""Settings under which a text of some pages takes several questions."""


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds, and audits that two threads may run at once."""
    monkeypatch.setattr(attempts, "FIRST_PAUSE_SECONDS", 0.002)
    monkeypatch.setattr("assets.auditing.expectations.measure", counted_audits.measure)


@pytest.fixture
def llm() -> Iterator[HeldLlm]:
    """A model that can hold its answers back."""
    with serve_llm(HeldLlm()) as server:
        assert isinstance(server, HeldLlm)
        yield server
        server.open()


@pytest.fixture
def make(make_bench: Callable[..., Workbench], llm: HeldLlm) -> Make:
    """Makes workbenches whose collection asks for profiles."""

    def made(profiles: dict[str, Any] | None = None, **declared: Any) -> Workbench:
        return with_llm(make_bench(profiles=profiles or {}), llm, **declared)

    return made


def profile(bench: Workbench) -> ProfileReport:
    """Bring the profiles of the collection up to date."""
    return make_profiles(bench, "notes", f"profiles-{next(_numbers)}")[0]


def plant(corpus: Path, documents: int) -> None:
    """Have so many documents and no other."""
    for path in corpus.iterdir():
        path.unlink()
    for number in range(documents):
        write(corpus, f"{number}.txt", f"Gate{number} is opened when the water is high.\n")


def plant_long(corpus: Path) -> None:
    """Have one document, which takes several questions."""
    plant(corpus, 0)
    write(corpus, "long.txt", "".join(f"Paragraph {number} of the gate.\n\n" for number in range(2000)))


def shown(database: Database) -> int:
    """Return how many documents show a profile."""
    return int(rows(database, "SELECT count(profile) FROM search.documents")[0][0])


@contextmanager
def aside(work: Callable[[], Any]) -> Iterator[list[Any]]:
    """Do something in a thread for as long as the block lasts; gives what came of it, once that is over."""
    came: list[Any] = []

    def run() -> None:
        try:
            came.append(work())
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield came
    finally:
        thread.join()


@pytest.mark.parametrize("documents", [9, 1])
def test_as_many_questions_are_under_way_as_the_endpoint_takes_and_never_more(
    make: Make, llm: HeldLlm, corpus: Path, documents: int
) -> None:
    plant(corpus, documents) if documents > 1 else plant_long(corpus)
    llm.holds = lambda number: True
    bench = make(concurrency=3, **SMALL)
    refresh(bench)
    with aside(lambda: profile(bench)) as came:
        until(lambda: len(llm.held) == 3, "three questions")
        llm.open()
    assert came[0].counts["described"] == documents
    assert len(llm.bodies) > 6
    assert llm.peak == 3


def test_a_budget_smaller_than_a_document_is_worth_lets_it_be_described_run_by_run(
    make: Make, llm: HeldLlm, corpus: Path
) -> None:
    plant_long(corpus)
    refresh(make())
    budget = {"budget": {"tokens_per_run": 6000}}
    reports = [profile(make(budget, **SMALL))]
    while reports[-1].counts["waiting"]:
        assert reports[-1].stopped == "budget"
        assert 0 < reports[-1].counts["tokens"] <= 6000
        assert "`profiles.budget` of notes is spent" in reports[-1].notes[0]
        reports.append(profile(make(budget, **SMALL)))
    assert len(reports) > 1
    assert len(set(llm.asked)) == len(llm.asked) == reports[-1].counts["parts"] + 1


def test_a_budget_below_one_question_sends_nothing_and_says_so(make: Make, llm: HeldLlm) -> None:
    refresh(bench := make({"budget": {"tokens_per_run": 100}}))
    report = profile(bench)
    assert report.notes == [
        "3 documents wait for a profile: what `profiles.budget` of notes leaves is less than one question may cost."
    ]
    assert llm.bodies == []


@pytest.mark.parametrize("why", ["time", "way"])
def test_a_run_ends_between_two_questions_about_one_document_and_the_next_goes_on(
    make: Make, llm: HeldLlm, corpus: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    plant_long(corpus)
    refresh(bench := make(concurrency=1, **SMALL))
    if why == "way":
        bench.gives_way = lambda: len(llm.bodies) >= 2
    else:
        clock = SimpleNamespace(monotonic=lambda: 10_000.0 * (len(llm.bodies) >= 2))
        monkeypatch.setattr("assets.profiles.line.time", clock)
    report = profile(bench)
    assert (report.stopped, report.goes_on, report.counts["described"]) == (why, True, 0)
    assert report.notes[0].startswith("1 document waits for a profile: this run ")
    monkeypatch.undo()
    assert profile(make(**SMALL)).counts["described"] == 1
    assert len(set(llm.asked)) == len(llm.asked) > 3


def test_a_failure_keeps_every_answer_that_had_come_and_shows_what_was_described(
    make: Make, llm: HeldLlm, corpus: Path, database: Database
) -> None:
    plant(corpus, 6)
    refresh(bench := make(concurrency=1, deadline_seconds=0.3))
    llm.script = [None, None, None, None]
    llm.trouble = lambda body: (503, {}, {"error": {"message": "down"}})
    with pytest.raises(EndpointUnavailable):
        profile(bench)
    assert shown(database) == 4
    llm.trouble = None
    assert profile(bench).counts["described"] == 2
    assert shown(database) == 6


@pytest.fixture
def both_answered() -> Iterator[threading.Event]:
    """Is set once two answers have come."""
    event, came = threading.Event(), list[str]()

    def hook(name: str) -> None:
        if name == "profiles.answered":
            came.append(name)
            if len(came) == 2:
                event.set()

    failpoints.install(hook)
    yield event
    failpoints.install(None)


def test_what_one_question_dies_of_loses_no_answer_to_another(
    make: Make,
    llm: HeldLlm,
    corpus: Path,
    database: Database,
    both_answered: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(corpus, 3)
    refresh(bench := make(concurrency=3))
    refused, whole, meaning = threading.Event(), Session.transaction, attempts.Attempts.meaning

    def refuse(proper: Answer) -> Answer:
        both_answered.wait(60)
        return 402, {}, {"error": {"message": "pay"}}

    def noted(self: attempts.Attempts, *arguments: Any) -> Exception:
        refused.set()
        return meaning(self, *arguments)

    @contextmanager
    def slowly(self: Session, **settings: Any) -> Iterator[None]:
        with whole(self, **settings):
            yield
            refused.wait(60)
            time.sleep(0.3)  # The refusal finds one answer being written, and one that waits for its turn.

    llm.trouble = lambda body: refuse if "Gate2" in data_of(body) else None
    monkeypatch.setattr(attempts.Attempts, "meaning", noted)
    monkeypatch.setattr(Session, "transaction", slowly)
    with pytest.raises(EndpointRefused):
        profile(bench)
    kept = "SELECT (SELECT count(*) FROM profile_parts) + (SELECT count(*) FROM profiles)"
    assert rows(database, kept, "pipeline") == [(2,)]
    paid = "SELECT sum(requests), sum(inputs) FROM search.costs WHERE stage = 'profiles'"
    assert rows(database, paid, "pipeline") == [(3, 2)]


@contextmanager
def another_run(bench: Workbench) -> Iterator[None]:
    """A run that has claimed every document that waits, and dies with the block."""
    with open_profiling(bench, "notes", "another") as other:
        waiting = other.session.connection.execute("SELECT elements_id, recipe_id FROM unprofiled").fetchall()
        assert waiting
        for elements_id, recipe_id in waiting:
            key = {"elements_id": elements_id, "recipe_id": recipe_id}
            assert other.session.value("profiles/claim", key)
        yield


def have_in_force(bench: Workbench, llm: HeldLlm) -> None:
    """Have the recipe in force without a document described."""
    llm.trouble = lambda body: (402, {}, {"error": {"message": "pay"}})
    with pytest.raises(EndpointRefused):
        profile(bench)
    llm.trouble = None
    llm.bodies.clear()


def test_what_another_run_has_claimed_is_not_asked_about_and_is_taken_over_if_that_run_dies(
    make: Make, llm: HeldLlm, database: Database
) -> None:
    refresh(bench := make())
    have_in_force(bench, llm)
    looks: list[int] = []
    bench.gives_way = lambda: bool(looks.append(len(llm.bodies)))  # type: ignore[func-returns-value]
    with ExitStack() as claimed:
        claimed.enter_context(another_run(make()))
        with aside(lambda: profile(bench)) as came:
            until(lambda: len(looks) > 12, "several looks at what the other run has claimed")
            assert llm.bodies == []
            claimed.close()
    assert came[0].counts["described"] == 3
    assert shown(database) == 3


def test_two_runs_at_once_ask_about_each_document_once_and_both_end_when_all_are_described(
    make: Make, llm: HeldLlm, database: Database
) -> None:
    refresh(first := make(concurrency=3))
    llm.holds = lambda number: True
    with aside(lambda: profile(first)) as one:
        until(lambda: len(llm.held) == 3, "the questions of the first run")
        second = make(concurrency=3)
        looks: list[int] = []
        second.gives_way = lambda: bool(looks.append(0))  # type: ignore[func-returns-value]
        with aside(lambda: profile(second)) as other:
            until(lambda: len(looks) > 8, "the second run to look twice")
            llm.open()
    assert (one[0].counts["described"], one[0].counts["elsewhere"]) == (3, 0)
    assert (other[0].counts["described"], other[0].counts["elsewhere"], other[0].counts["waiting"]) == (0, 3, 0)
    assert other[0].notes == []
    assert len(llm.bodies) == 3
    assert shown(database) == 3


def test_a_run_whose_time_ends_while_another_one_works_says_so(make: Make, llm: HeldLlm) -> None:
    refresh(bench := make({"seconds_per_run": 0.3}))
    have_in_force(bench, llm)
    with another_run(make()):
        report = profile(bench)
    (note,) = report.notes
    assert note.startswith("3 documents wait for a profile: this run had its 0.3 s (`seconds_per_run`)")
    assert note.endswith("Another run is having 3 of them described at this moment.")
    assert llm.bodies == []
