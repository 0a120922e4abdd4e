"""A faulty endpoint through the whole stage: nothing bad is stored, nothing hangs, nothing is paid for twice."""

from __future__ import annotations

import itertools
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from pgvector.psycopg import register_vector

from assets.engine import STAGES
from assets.refresh import end_refresh, open_refresh, run_stage
from assets.workbench import Workbench
from resources import attempts
from resources.errors import EndpointRefused, EndpointUnavailable, TransientError
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer, embed
from tests.fakes.faults import FINAL, HARMLESS, PASSING, PAUSES, SLOW, Fault
from tests.fakes.http_wire import Scripted

SEEDS = 10
_numbers = itertools.count()
MakeBench = Callable[..., Workbench]
WORD = "Penstock"
"""Stands in every text of the corpus, and in no question that is sent to get to know an endpoint."""


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds."""
    monkeypatch.setattr(attempts, "FIRST_PAUSE_SECONDS", 0.002)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder of documents of one text each."""
    folder = tmp_path / "corpus"
    fill(folder, 8)
    return folder


def fill(folder: Path, documents: int, series: str = "first") -> None:
    """Write documents of one text each."""
    for number in range(documents):
        write(folder, f"{series}-{number}.txt", f"{WORD} {series} number {number} is opened at level {number * 11}.\n")


def bench_of(make_bench: MakeBench, *, seconds: float = 60.0, **space: object) -> Workbench:
    """Make a workbench that sends two texts at a time, one request after the other."""
    return make_bench(space={"max_inputs": 2, "concurrency": 1, "deadline_seconds": seconds, **space})


def after(requests: int, fault: Fault) -> Callable[[list[str]], Scripted]:
    """Answer so many requests with texts of the corpus, and then with a fault.

    A fault that may pass is seen three times; then the endpoint asks for more patience than anybody has.
    """
    left = iter(range(requests))
    seen = iter(range(3))

    def trouble(texts: list[str]) -> Scripted:
        if WORD not in "".join(texts) or next(left, None) is not None:
            return None
        if fault in PASSING.values() and next(seen, None) is None:
            return PAUSES["429 for ever"].answer()
        return fault.answer()

    return trouble


def stored(database: Database) -> dict[str, np.ndarray]:
    """Return the vector of each text that has one."""
    with database.connect() as session:
        register_vector(session.connection)
        found = session.connection.execute(
            "SELECT t.text, v.embedding FROM vectors_small AS v INNER JOIN texts AS t ON v.text_id = t.text_id"
        ).fetchall()
    return {text: np.asarray(vector.to_numpy(), np.float32) for text, vector in found}


def assert_no_bad_vector(database: Database) -> dict[str, np.ndarray]:
    """Compare each stored vector with what a sound endpoint gives for its text."""
    found = stored(database)
    for text, vector in found.items():
        assert np.array_equal(vector, embed(text, 32)), text
    return found


def answered(server: EmbeddingServer) -> Counter[str]:
    """Return how often each text of the corpus was properly answered."""
    return Counter(text for request in server.answered for text in request if WORD in text)


def let_a_minute_pass(database: Database) -> None:
    """Take away what the endpoint asked for."""
    with database.connect() as session:
        session.connection.execute("UPDATE rate_limits SET blocked_until = '-infinity'")


def asked(server: EmbeddingServer) -> int:
    """Return how many requests held texts of the corpus."""
    return sum(WORD in "".join(request) for request in server.requests)


def embed_only(bench: Workbench) -> None:
    """Run the vectors stage of a refresh whose earlier stages have nothing to do, and end there."""
    try:
        with open_refresh(bench, "notes", f"vectors-{next(_numbers)}") as opened:
            run_stage(opened, "vectors", STAGES["vectors"])
    finally:
        end_refresh(bench, "notes", "stopped by a test")


def assert_stopped_by(fault: Fault, work: Callable[[Workbench], object], bench: Workbench, name: str) -> None:
    """Do some work, and see it fail as the fault ought to make it."""
    assert fault.error is not None
    with pytest.raises(fault.error) as raised:
        work(bench)
    assert type(raised.value) is fault.error, name
    assert raised.value.exit_code == (4 if issubclass(fault.error, TransientError) else 1), name
    assert "4711" not in str(raised.value), name
    assert WORD not in str(raised.value), name


@pytest.mark.timeout(200)
@pytest.mark.parametrize("faults", [PASSING, SLOW | PAUSES, FINAL], ids=["passing", "slow", "final"])
def test_each_fault_in_turn_costs_its_requests_and_nothing_else(
    database: Database, endpoint: EmbeddingServer, make_bench: MakeBench, corpus: Path, faults: dict[str, Fault]
) -> None:
    fill(corpus, 2 * len(faults), "second")
    work: Callable[[Workbench], object] = refresh  # All of it, and then only what the fault is about.
    for number, (name, fault) in enumerate(faults.items(), 1):
        before = asked(endpoint)
        endpoint.trouble = after(1, fault)
        assert_stopped_by(fault, work, bench_of(make_bench, seconds=2.0 if fault in SLOW.values() else 60.0), name)
        kept = assert_no_bad_vector(database)
        assert kept.keys() == answered(endpoint).keys(), name
        assert len(kept) == 2 * number, name
        assert asked(endpoint) - before == (5 if fault in PASSING.values() else 2), name
        let_a_minute_pass(database)
        work = embed_only
    assert rows(database, "SELECT 1 FROM search.chunks") == []

    endpoint.trouble = None
    refresh(bench_of(make_bench))
    assert len(assert_no_bad_vector(database)) == 8 + 2 * len(faults)
    assert set(answered(endpoint).values()) == {1}
    assert len(rows(database, "SELECT 1 FROM search.chunks")) == 8 + 2 * len(faults)


def test_odd_answers_that_are_right_are_taken(
    database: Database, endpoint: EmbeddingServer, make_bench: MakeBench
) -> None:
    odd = iter(HARMLESS.values())

    def trouble(texts: list[str]) -> Scripted:
        fault = next(odd, None) if WORD in "".join(texts) else None
        return fault.answer() if fault else None

    endpoint.trouble = trouble
    refresh(bench_of(make_bench))
    assert next(odd, None) is None
    assert len(assert_no_bad_vector(database)) == 8
    assert set(Counter(text for text in endpoint.texts if WORD in text).values()) == {1}


def test_faults_that_pass_within_the_deadline_are_not_noticed(
    database: Database, endpoint: EmbeddingServer, make_bench: MakeBench, corpus: Path
) -> None:
    fill(corpus, 2 * len(PASSING), "second")
    coming = iter([either for fault in PASSING.values() for either in (fault, None)])

    def trouble(texts: list[str]) -> Scripted:
        fault = next(coming, None) if WORD in "".join(texts) else None
        return fault.answer() if fault else None

    endpoint.trouble = trouble
    refresh(bench_of(make_bench))
    assert next(coming, None) is None
    assert len(assert_no_bad_vector(database)) == 8 + 2 * len(PASSING)
    assert set(answered(endpoint).values()) == {1}


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"


def test_an_endpoint_that_refuses_connections_costs_nothing(
    database: Database, endpoint: EmbeddingServer, make_bench: MakeBench, corpus: Path, nobody: str
) -> None:
    refresh(bench_of(make_bench))
    write(corpus, "late.txt", f"{WORD} late came late.\n")
    with pytest.raises(EndpointUnavailable):
        refresh(bench_of(make_bench, seconds=0.3, base_url=nobody))
    assert len(assert_no_bad_vector(database)) == 8
    refresh(bench_of(make_bench))
    assert len(assert_no_bad_vector(database)) == 9
    assert set(answered(endpoint).values()) == {1}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_one_input_that_is_refused_is_held_back_alone(
    database: Database, endpoint: EmbeddingServer, make_bench: MakeBench, status: int
) -> None:
    error = {"error": {"message": "the gate code is 4711"}}
    endpoint.trouble = lambda texts: (status, {}, error) if any("number 3 " in text for text in texts) else None
    refresh(bench_of(make_bench))
    kept = assert_no_bad_vector(database)
    assert len(kept) == 7
    assert not any("number 3 " in text for text in kept)
    assert len(rows(database, "SELECT 1 FROM search.chunks")) == 7
    assert set(answered(endpoint).values()) == {1}


def test_a_server_that_takes_fewer_inputs_than_it_did_gets_fewer(
    database: Database, endpoint: EmbeddingServer, make_bench: MakeBench
) -> None:
    endpoint.trouble = lambda texts: (413, {}, {}) if WORD in "".join(texts) and len(texts) > 1 else None
    refresh(bench_of(make_bench))
    assert len(assert_no_bad_vector(database)) == 8
    assert set(answered(endpoint).values()) == {1}


def mixed(chance: random.Random, sound: Counter[str]) -> Callable[[list[str]], Scripted]:
    """Answer soundly or with some fault for a while, and then with one that ends the stage.

    Args:
        chance: decides.
        sound: counts the texts that were soundly answered.
    """
    mixture = [*PASSING.values(), *HARMLESS.values()]
    left = iter(range(12))

    def trouble(texts: list[str]) -> Scripted:
        if next(left, None) is None:
            return FINAL["405"].answer()
        fault = chance.choice(mixture) if chance.random() < 0.6 else None
        if fault is None or fault.error is None:
            sound.update(texts)
        return fault.answer() if fault else None

    return trouble


@pytest.mark.timeout(200)
def test_any_mixture_of_faults_converges_once_it_is_over(
    database: Database, endpoint: EmbeddingServer, make_bench: MakeBench, corpus: Path
) -> None:
    fill(corpus, 8 * SEEDS, "second")
    sound: Counter[str] = Counter()
    endpoint.trouble = after(0, FINAL["405"])
    assert_stopped_by(FINAL["405"], refresh, bench_of(make_bench), "405")
    for seed in range(SEEDS):
        endpoint.trouble = mixed(random.Random(seed), sound)
        before = sound.total() - len(sound)
        with suppress(EndpointRefused):
            embed_only(bench_of(make_bench, concurrency=2))
        assert assert_no_bad_vector(database).keys() <= sound.keys(), seed
        # A sound answer is lost only with a stage that fails while it is under way: the two texts of one request.
        assert sound.total() - len(sound) <= before + 2, seed
        let_a_minute_pass(database)
    endpoint.trouble = None
    endpoint.forget()
    refresh(bench_of(make_bench))
    assert len(assert_no_bad_vector(database)) == 8 * (SEEDS + 1)
    assert len(rows(database, "SELECT 1 FROM search.chunks")) == 8 * (SEEDS + 1)
    assert set(answered(endpoint).values()) <= {1}
    assert sum(text in sound for text in answered(endpoint)) <= 2 * SEEDS
