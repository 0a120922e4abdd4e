"""One limit for all processes: what is declared is kept to, what an endpoint asks for is heard by everybody."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL, Identifier

from assets.workbench import Workbench
from resources.embedding_endpoint import EmbeddingEndpoint
from resources.errors import EndpointUnavailable, TransientError
from resources.pacing import LONGEST_HOLD_SECONDS, TurnTooLate, duration, host_of, retry_after, seconds_to_reset
from resources.postgres import Database
from resources.rate_limiter import RateLimiter
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer
from tests.fakes.faults import in_an_hour

ROOT = Path(__file__).resolve().parent.parent
HOST = "models.example:8080"


def limiter(
    database: Database, requests: int | None = None, tokens: int | None = None, *, window: int = 60
) -> RateLimiter:
    """Describe a limiter as one process has it."""
    return RateLimiter(database, HOST, requests, tokens, window_seconds=window)


def use(one: RateLimiter, *steps: Callable[[], Coroutine[Any, Any, object]]) -> list[object]:
    """Do some things with a limiter, and close it."""

    async def opened() -> list[object]:
        try:
            return [await step() for step in steps]
        finally:
            await one.close()

    return asyncio.run(opened())


def alter(database: Database, query: str, *params: object) -> None:
    """Change the limiter's state behind its back."""
    with database.connect() as session:
        session.connection.execute(query.encode(), params)


def ask(database: Database, *, tokens: int = 0, requests: int | None = None, most: int | None = None) -> float:
    """Ask the database for a turn, and return how many seconds it says to wait."""
    params = {"endpoint": HOST, "tokens": tokens, "most_requests": requests, "most_tokens": most, "span": 60}
    with database.connect() as session:
        return float(session.record("endpoints/take_turn", params | {"longest_hold": 60.0})["seconds"])


def test_two_processes_together_send_no_more_than_is_declared(database: Database, endpoint: EmbeddingServer) -> None:
    command = [sys.executable, "-m", "tests.fakes.paced_client", database.dsn, endpoint.url, "4", "3", "6"]
    workers = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [worker.wait(90) for worker in workers] == [0, 0]
    stamps = sorted(endpoint.stamps)
    assert len(stamps) == 12
    # A turn is counted when it is given; a second is left for the way to the server.
    assert all(later - earlier > 2 for earlier, later in zip(stamps, stamps[4:], strict=False))


def test_a_turn_is_counted_before_the_next_process_looks(database: Database) -> None:
    assert ask(database, requests=2) == 0
    params = {"endpoint": HOST, "tokens": 0, "most_requests": 2, "most_tokens": None, "span": 60, "longest_hold": 60}
    second: list[float] = []
    with database.connect() as first, database.connect(role=None) as looking:
        with first.transaction():
            assert first.record("endpoints/take_turn", params)["seconds"] == 0
            other = threading.Thread(target=lambda: second.append(ask(database, requests=2)))
            other.start()
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            while other.is_alive() and looking.connection.execute(waiting.encode()).fetchone() == (0,):
                time.sleep(0.01)
        other.join()
    assert second[0] > 0


def test_where_no_limit_is_declared_nothing_is_written(database: Database) -> None:
    one = limiter(database)
    assert use(one, lambda: one.take_turn(10)) == [0.0]
    assert rows(database, "SELECT 1 FROM corpus.rate_limits", role="pipeline") == []


def test_a_request_over_the_limit_by_itself_goes_alone(database: Database) -> None:
    assert ask(database, tokens=10, most=100) == 0
    assert ask(database, tokens=500, most=100) > 0
    alter(database, "UPDATE rate_usage SET second = second - interval '61 seconds'")
    assert ask(database, tokens=500, most=100) == 0
    assert ask(database, tokens=1, most=100) > 0
    assert ask(database, tokens=0, most=100) > 0
    alter(database, "UPDATE rate_usage SET second = second - interval '61 seconds'")
    assert ask(database, tokens=100, most=100) == 0


def test_what_is_over_is_forgotten(database: Database) -> None:
    ask(database, requests=5)
    alter(database, "UPDATE rate_usage SET second = second - interval '2 minutes'")
    ask(database, requests=5)
    assert rows(database, "SELECT requests FROM corpus.rate_usage", role="pipeline") == [(1,)]


USAGE = st.dictionaries(st.integers(0, 64), st.tuples(st.integers(1, 4), st.integers(0, 40)), max_size=8)


@settings(max_examples=40, deadline=None)
@given(usage=USAGE, wanted=st.integers(0, 120), requests=st.none() | st.integers(1, 9), most=st.integers(1, 100))
def test_a_wait_is_as_long_as_it_must_be_and_no_longer(
    shared: Database, usage: dict[int, tuple[int, int]], wanted: int, requests: int | None, most: int
) -> None:
    with shared.connect() as session, session.transaction():
        connection = session.connection
        connection.execute("DELETE FROM rate_usage")
        connection.execute("INSERT INTO rate_limits (endpoint) VALUES (%s) ON CONFLICT DO NOTHING", [HOST])
        (second,) = connection.execute("SELECT date_trunc('second', clock_timestamp())").fetchone() or (None,)
        assert second is not None
        for age, (sent, tokens) in usage.items():
            values = [HOST, second - timedelta(seconds=age), sent, tokens]
            connection.execute("INSERT INTO rate_usage VALUES (%s, %s, %s, %s)", values)
        params = {"endpoint": HOST, "tokens": wanted, "most_requests": requests, "most_tokens": most, "span": 60}
        turn = session.record("endpoints/take_turn", params | {"longest_hold": 60.0})
        (now,) = connection.execute("SELECT clock_timestamp()").fetchone() or (None,)
        assert now is not None

    def fits(at: int) -> bool:
        counted = [used for age, used in usage.items() if age + at <= 60]
        sent = sum(requests for requests, _ in counted)
        return not sent or ((requests is None or sent < requests) and sum(t for _, t in counted) + wanted <= most)

    needed = next(at for at in range(62) if fits(at))
    over = (now - second).total_seconds()
    if needed <= over:  # The clock may have ticked on the way.
        return
    assert needed - over - 0.001 <= turn["seconds"] <= needed


@pytest.fixture(scope="module")
def shared(postgres: str, template: str) -> Iterator[Database]:
    """A database for many examples."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE limits TEMPLATE {}").format(Identifier(template)))
    yield Database(postgres.replace("/postgres?", "/limits?"))
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP DATABASE limits WITH (FORCE)")


@pytest.mark.parametrize("requests", [None, 5])
def test_what_one_process_hears_all_wait_for(database: Database, requests: int | None) -> None:
    one, other = limiter(database), limiter(database, requests)
    use(one, lambda: one.hold_off(30))
    with pytest.raises(TurnTooLate) as raised:
        use(other, lambda: other.take_turn(1, within=5))
    assert 5 < raised.value.seconds <= 30
    alter(database, "UPDATE rate_limits SET blocked_until = clock_timestamp() + interval '50 milliseconds'")
    assert use(other, lambda: other.take_turn(1, within=5)) != []


def test_a_longer_hold_stays_and_no_hold_is_longer_than_a_minute(database: Database) -> None:
    one = limiter(database)
    seconds = "SELECT extract(EPOCH FROM blocked_until - clock_timestamp())::float8 FROM corpus.rate_limits"
    use(one, lambda: one.hold_off(40), lambda: one.hold_off(1))
    assert rows(database, seconds, role="pipeline")[0][0] > 20
    use(one, lambda: one.hold_off(math.inf), lambda: one.hold_off(math.nan), lambda: one.hold_off(-5))
    assert rows(database, seconds, role="pipeline")[0][0] <= LONGEST_HOLD_SECONDS


def test_a_clock_that_was_set_back_blocks_nobody(database: Database) -> None:
    one, limited = limiter(database), limiter(database, 1)
    ask(database, requests=1)
    alter(database, "UPDATE rate_limits SET blocked_until = clock_timestamp() + interval '1 hour'")
    alter(database, "UPDATE rate_usage SET second = second + interval '1 hour'")
    assert use(one, lambda: one.take_turn(1, within=0)) == [0.0]
    use(limited, lambda: limited.take_turn(1, within=0))
    use(one, lambda: one.hold_off(30))
    with pytest.raises(TurnTooLate):
        use(one, lambda: one.take_turn(1, within=5))


def cut_off(database: Database) -> None:
    """End every other connection to a database."""
    with database.connect(role=None) as session:
        session.connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_broken_connection_is_opened_again_once(database: Database) -> None:
    one = limiter(database, 5)

    async def cut() -> None:
        await asyncio.to_thread(cut_off, database)

    use(one, lambda: one.take_turn(1), cut, lambda: one.take_turn(1), cut, lambda: one.hold_off(1))
    assert rows(database, "SELECT sum(requests) FROM corpus.rate_usage", role="pipeline") == [(2,)]


def test_a_database_that_stays_away_is_an_error_that_may_pass(database: Database, postgres: str) -> None:
    one = limiter(database, 5)

    async def take_away() -> None:
        await asyncio.to_thread(cut_off, database)
        name = Identifier(psycopg.conninfo.conninfo_to_dict(database.dsn)["dbname"])  # type: ignore[arg-type]
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))

    with pytest.raises(TransientError, match="refresh"):
        use(one, lambda: one.take_turn(1), take_away, lambda: one.take_turn(1))


def test_a_thread_that_nobody_waits_for_opens_nothing_after_the_end(database: Database) -> None:
    one = limiter(database, 5)
    use(one, lambda: one.take_turn(1))
    with pytest.raises(TransientError):
        one._work(lambda session: None, opening=0)
    assert one._session is None


def door(server: EmbeddingServer, pacer: RateLimiter, *, seconds: float) -> EmbeddingEndpoint:
    """Describe an endpoint whose requests are paced."""
    return EmbeddingEndpoint(
        base_url=server.url, api_key=None, concurrency=2, deadline_seconds=seconds, pacer=pacer
    )  # fmt: skip


def test_waiting_for_ones_turn_is_not_part_of_the_deadline(database: Database, endpoint: EmbeddingServer) -> None:
    endpoint.script = [None, (500, {}, {}), None]  # What fails after the wait must find time to be asked again.
    opened = door(endpoint, limiter(database, 1, window=2), seconds=2.0)

    async def both(one: EmbeddingEndpoint) -> None:
        await asyncio.gather(*(one.embed(["gate"], "fake") for _ in range(2)))

    opened.run(both)
    assert opened.requests == 3


def test_waiting_because_the_endpoint_asked_is_part_of_the_deadline(
    database: Database, endpoint: EmbeddingServer
) -> None:
    one = limiter(database)
    use(one, lambda: one.hold_off(50))
    with pytest.raises(EndpointUnavailable, match="asked all to wait"):
        door(endpoint, limiter(database, 5), seconds=10).run(lambda opened: opened.embed(["gate"], "fake"))
    assert endpoint.requests == []


def test_every_attempt_takes_a_turn(database: Database, endpoint: EmbeddingServer) -> None:
    endpoint.script = [(500, {}, {}), (429, {"retry-after-ms": "1"}, {}), None]
    opened = door(endpoint, limiter(database, 50, 1000), seconds=60)
    opened.run(lambda one: one.embed(["gate"], "fake", tokens=7))
    assert opened.requests == 3
    usage = "SELECT sum(requests), sum(tokens) FROM corpus.rate_usage"
    assert rows(database, usage, role="pipeline") == [(3, 21)]


HOLD = "SELECT extract(EPOCH FROM blocked_until - clock_timestamp())::float8 FROM corpus.rate_limits"


@pytest.mark.parametrize(
    ("status", "headers", "least"),
    [
        (429, {"Retry-After": "40"}, 10),
        (429, {"retry-after-ms": "40000"}, 10),
        (429, {"Retry-After": in_an_hour()}, 10),
        (429, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "40s"}, 10),
        (503, {"Retry-After": "40"}, 10),
        (200, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h2m3.5s"}, 10),
        (200, {"x-ratelimit-remaining-tokens": "99", "x-ratelimit-reset-tokens": "6m0s"}, 10),
        (200, {"x-ratelimit-remaining-tokens": "100", "x-ratelimit-reset-tokens": "6m0s"}, None),
        (200, {"ratelimit-remaining": "0", "ratelimit-reset": "40"}, 10),
        (200, {"ratelimit-remaining": "1", "ratelimit-reset": "40"}, None),
        (503, {}, None),
        (500, {"Retry-After": "40"}, None),
    ],
)
def test_what_headers_say_reaches_everybody(
    database: Database, endpoint: EmbeddingServer, status: int, headers: dict[str, str], least: float | None
) -> None:
    endpoint.script = [lambda proper: (status, headers, proper[2])]
    opened = door(endpoint, limiter(database), seconds=5)
    try:
        opened.run(lambda one: one.embed(["gate"], "fake", tokens=100))
    except EndpointUnavailable:
        assert status != 200
    found = rows(database, HOLD, role="pipeline")
    if least is None:
        assert found == []
    else:
        assert least < found[0][0] <= LONGEST_HOLD_SECONDS


def test_a_refresh_keeps_to_what_its_space_declares_and_one_without_changes_opens_nothing(
    database: Database, make_bench: Callable[..., Workbench], corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = {"requests_per_minute": 500, "tokens_per_minute": 100_000}
    refresh(make_bench(space=space))
    write(corpus, "late.txt", "Came late.\n")
    refresh(make_bench(space=space))
    bench = make_bench(space=space)
    usage = "SELECT endpoint, sum(requests) FROM corpus.rate_usage GROUP BY endpoint"
    found = rows(database, usage, role="pipeline")
    assert [endpoint for endpoint, _ in found] == [host_of(bench.space("small").base_url or "")]
    monkeypatch.setattr(RateLimiter, "_opened", lambda *args: pytest.fail("opened for nothing"))
    refresh(bench)
    assert rows(database, usage, role="pipeline") == found


def test_an_endpoint_is_named_by_its_host_without_credentials() -> None:
    assert host_of("https://user:hush@Models.example:8080/v1") == "models.example:8080"
    assert host_of("http://[::1]:11434/v1?key=hush") == "[::1]:11434"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("2.5", 2.5), ("0", 0), ("-3", 0),
        ("7us", 7e-6), ("", None), ("soon", None), ("nan", None), ("1s later", None), ("s", None),
        ("1h" * 200, None), (None, None),
    ],
)  # fmt: skip
def test_durations_are_read_in_every_form(value: str | None, seconds: float | None) -> None:
    assert duration(value) == (seconds if seconds is None else pytest.approx(seconds))


HEADER = st.none() | st.text(max_size=30) | st.floats().map(str) | st.integers().map(str)


@settings(max_examples=200, deadline=None)
@given(values=st.lists(HEADER, min_size=5, max_size=5), tokens=st.integers(0, 10**9))
@example(values=["1e300", "nan", "-inf", "0", "9" * 5000], tokens=5)
@example(values=["Wed, 99 Foo 2015 07:28:00 GMT", "", "0", "1h" * 99, "∞"], tokens=5)
@example(values=["Mon, 01 Jan 0001 00:00:00 +2359", None, None, None, None], tokens=0)
def test_no_header_makes_it_crash_or_go_back_in_time(values: list[str | None], tokens: int) -> None:
    names = (
        "retry-after",
        "retry-after-ms",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
        "ratelimit-reset",
    )
    headers = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    for seconds in (retry_after(headers), seconds_to_reset(headers, tokens)):
        assert seconds is None or seconds >= 0
