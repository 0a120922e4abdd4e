"""Refreshes beside each other, beside readers and beside upkeep: real processes on one real Postgres."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
import yaml

import sql
from assets import partitions
from assets.workbench import Workbench
from pipelines.config import load
from pipelines.definitions import build_defs
from resources.errors import TransientError
from resources.migrator import migrate, read_state
from resources.postgres import Database
from tests.conftest import rows, write
from tests.fakes.embedding_server import EmbeddingServer, serve
from tests.fakes.http_wire import Answer
from tests.processes import Job, Nursery, Process, nursery, until

TEXTS = 40
REQUEST = 4
MARK = "doors"
"""What every text of a document says, and no probe."""

_numbers = itertools.count()


@dataclass
class HeldServer(EmbeddingServer):
    """An endpoint that can hold its answers back: to texts of documents, not to probes."""

    held: bool = False
    waiting: list[list[str]] = field(default_factory=list)
    _open: threading.Event = field(default_factory=threading.Event)

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        answered = super().answer(body, headers)
        if self.held and any(MARK in text for text in texts):
            self.waiting.append(texts)
            self._open.wait()
        return answered

    def open(self) -> None:
        """Answer what is held, and everything from now on."""
        self.held = False
        self._open.set()

    @property
    def sent(self) -> Counter[str]:
        """How often each text of a document was sent."""
        return Counter(text for text in self.texts if MARK in text)


@pytest.fixture(scope="module")
def processes() -> Iterator[Nursery]:
    """Forks refreshes."""
    with nursery() as found:
        yield found


@pytest.fixture
def held() -> Iterator[HeldServer]:
    """An endpoint that can hold its answers back."""
    with serve(HeldServer()) as server:
        assert isinstance(server, HeldServer)
        yield server
        server.open()


@pytest.fixture
def start(
    processes: Nursery, database: Database, held: HeldServer, tmp_path: Path, corpus: Path
) -> Iterator[Callable[..., Process]]:
    """Starts a refresh of `notes` in a process of its own; `notes`, `one` and `two` have the same documents."""
    for path in corpus.iterdir():
        path.unlink()
    for number in range(TEXTS // 4):
        parts = "".join(f"## Part {n}\n\nThe sluice {number} has {n} doors.\n\n" for n in range(4))
        write(corpus, f"{number}.md", f"# Sluice {number}\n\n{parts}")
    collection = {"source": str(corpus), "chunking": {"max_tokens": 24, "min_tokens": 4}}

    def begin(name: str = "notes", **settings: Any) -> Process:
        number = next(_numbers)
        job = Job(
            folder=str(tmp_path / f"process-{number}"),
            dsn=database.dsn,
            collections=dict.fromkeys(("notes", "one", "two"), collection),
            space={
                "base_url": held.url, "model": "fake", "token_limit": 128, "max_inputs": REQUEST, "concurrency": 2,
            },
            name=name,
            run_id=f"{name}-{number}",
        )  # fmt: skip
        return processes.start(replace(job, **settings))

    yield begin
    held.open()
    processes.clear()


def published(database: Database) -> list[tuple[Any, ...]]:
    """What readers see: documents by collection."""
    return rows(
        database, "SELECT collection, count(DISTINCT uri) FROM search.chunks GROUP BY collection ORDER BY collection"
    )


def test_two_refreshes_of_one_collection_queue(start: Callable[..., Process], database: Database) -> None:
    first = start(points={"documents.end": "hold"})
    first.reaches("documents.end")
    second = start(points={"refresh.opened": "hold"})
    first.let_go("documents.end")
    assert first.result()["counts"]["publication"]["added"] == TEXTS // 4
    second.reaches("refresh.opened")
    second.let_go("refresh.opened")
    ended = second.result()
    assert ended["error"] == ""
    assert ended["counts"]["documents"]["unchanged"] == TEXTS // 4
    assert ended["counts"]["publication"] == {}
    assert published(database) == [("notes", TEXTS // 4)]


def test_a_refresh_that_does_not_wait_ends_with_a_message_and_writes_nothing(
    start: Callable[..., Process], database: Database
) -> None:
    first = start(points={"documents.end": "hold"})
    first.reaches("documents.end")
    ended = start(wait_seconds=0.0).result()
    assert (ended["error"], ended["code"]) == ("CollectionBusy", 4)
    assert ended["message"] == (
        f"Run {first.job.run_id} is refreshing this collection; wait for it to end, then refresh again."
    )
    first.let_go("documents.end")
    assert first.result()["error"] == ""
    assert rows(database, "SELECT run_id FROM corpus.refreshes", role=None) == [(first.job.run_id,)]


@pytest.fixture
def dagster_run(
    make_bench: Callable[..., Workbench], database: Database, held: HeldServer, tmp_path: Path, corpus: Path
) -> Callable[..., dg.ExecuteInProcessResult]:
    """Runs the job `refresh` of `notes` in this process, on an instance of the test's own."""
    path = tmp_path / "collections.yaml"
    path.write_text(yaml.safe_dump({"collections": {"notes": {"source": str(corpus)}}}))
    instance = dg.DagsterInstance.ephemeral()
    partitions.register(instance, ["notes"])

    def launch(wait: float, **tags: str) -> dg.ExecuteInProcessResult:
        bench = make_bench(
            space={"base_url": held.url, "max_inputs": REQUEST, "concurrency": 2},
            chunking={"max_tokens": 24, "min_tokens": 4},
        )
        bench.lease_wait_seconds = wait
        definitions = build_defs(config=load(path, {}), resource_overrides={"workbench": bench})
        job = definitions.resolve_job_def("refresh")
        return job.execute_in_process(instance=instance, partition_key="notes", raise_on_error=False, tags=tags)

    return launch


def materialized(result: dg.ExecuteInProcessResult) -> list[str]:
    """The assets that a run marked as materialized."""
    return [event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key]


def test_a_dagster_run_beside_a_refresh_marks_nothing_as_materialized(
    start: Callable[..., Process], dagster_run: Callable[..., dg.ExecuteInProcessResult]
) -> None:
    first = start(points={"vectors.start": "hold"})
    first.reaches("vectors.start")
    result = dagster_run(wait=0.0)
    assert not result.success
    assert materialized(result) == []
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert str(failure.user_failure_data.description).startswith(f"Run {first.job.run_id} is refreshing this")
    assert failure.user_failure_data.metadata["exit code"].value == 4
    first.let_go("vectors.start")
    assert first.result()["counts"]["publication"]["added"] == TEXTS // 4


def test_a_run_of_a_backfill_waits_for_the_refresh_and_finds_its_work_done(
    start: Callable[..., Process], dagster_run: Callable[..., dg.ExecuteInProcessResult], database: Database
) -> None:
    first = start(points={"vectors.start": "hold"})
    first.reaches("vectors.start")
    before = backends(database)

    def release() -> None:
        until(lambda: backends(database) - before, "the other run")
        first.let_go("vectors.start")

    released = threading.Thread(target=release)
    released.start()
    result = dagster_run(wait=60.0, **{"dagster/backfill": "b", "dagster/partition": "notes"})
    released.join()
    assert first.result()["error"] == ""
    assert result.success
    changed = [event.materialization.metadata["changed"].value for event in result.get_asset_materialization_events()]
    assert changed == [False] * 7  # Five stages, and two measures of what is shown.
    assert rows(database, "SELECT count(*) FROM corpus.publishes", role=None) == [(1,)]


def backends(database: Database) -> set[int]:
    """Backends of the product on this database."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    return {pid for (pid,) in rows(database, query, role=None)}


def test_a_migration_beside_a_refresh_and_a_reader_holds_nobody_up_for_long(
    start: Callable[..., Process], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start().result()["error"] == ""
    refresh = start(points={"chunks.end": "hold"})
    refresh.reaches("chunks.end")
    *others, last = sql.objects()
    changed = (*others, replace(last, text=f"{last.text}\n-- changed", checksum="changed"))
    monkeypatch.setattr(sql, "objects", lambda: changed)
    seen: list[Any] = []
    with psycopg.connect(database.dsn) as reader:
        reader.execute("SELECT count(*) FROM search.chunks")
        others_read = threading.Thread(target=lambda: seen.extend(published(database)))
        others_read.start()
        with pytest.raises(TransientError, match="A reader holds a view of Suimon"):
            migrate(database)
        others_read.join(timeout=60)
        assert seen == [("notes", TEXTS // 4)]
        reader.rollback()
        migrate(database)
    assert read_state(database).current
    refresh.let_go("chunks.end")
    assert refresh.result()["error"] == ""
    assert published(database) == [("notes", TEXTS // 4)]


def test_refreshes_beside_vacuum_full_and_analyze_lose_nothing(
    start: Callable[..., Process], database: Database, corpus: Path
) -> None:
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'corpus' ORDER BY 1"
    for content in ("The sluice is open.", "The sluice is shut."):
        write(corpus, "new.md", content)
        process = start()
        rounds = 0
        with psycopg.connect(database.dsn, autocommit=True) as upkeep:
            while process.alive:
                for (table,) in upkeep.execute(tables).fetchall():
                    upkeep.execute(f'VACUUM (FULL, ANALYZE) corpus."{table}"')
                rounds += 1
        assert rounds > 0
        assert process.result()["error"] == ""
        assert rows(database, "SELECT text FROM search.chunks WHERE uri = 'new.md'") == [(content,)]
    assert published(database) == [("notes", TEXTS // 4 + 1)]


def test_two_collections_that_need_the_same_texts_at_once_pay_once(
    start: Callable[..., Process], database: Database, held: HeldServer
) -> None:
    held.held = True
    one, two = start("one"), start("two", points={"vectors.start": "hold"})
    until(lambda: len(held.waiting) == 2, "two requests under way")
    two.reaches("vectors.start")
    two.let_go("vectors.start")
    until(lambda: claims_seen(database, two.pid), "the second one to look for texts")
    held.open()
    first, second = one.result(), two.result()
    assert (first["error"], second["error"]) == ("", "")
    texts = {text for (text,) in rows(database, "SELECT text FROM corpus.texts", role=None) if MARK in text}
    assert set(held.sent) == texts
    assert set(held.sent.values()) == {1}
    embedded = [ended["counts"]["vectors"]["embedded"] for ended in (first, second)]
    assert sum(embedded) == len(texts)
    assert published(database) == [("one", TEXTS // 4), ("two", TEXTS // 4)]
    assert rows(database, "SELECT count(*) FROM corpus.claims", role=None) == [(0,)]


def claims_seen(database: Database, pid: int) -> bool:
    """Whether a second collection's refresh is in its vectors stage: it has opened its incoming table."""
    query = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r' AND relname LIKE '%incoming%'"
    return bool(rows(database, query, role=None)[0][0] == 2)


def test_when_one_of_two_dies_in_mid_request_the_other_sends_again_what_was_under_way_and_no_more(
    start: Callable[..., Process], database: Database, held: HeldServer
) -> None:
    held.held = True
    one = start("one", lease_seconds=2.0)
    until(lambda: len(held.waiting) == 2, "two requests under way")
    under_way = {text for request in held.waiting for text in request}
    two = start("two")
    until(lambda: claims_seen(database, two.pid), "the second one to look for texts")
    one.signal(signal.SIGKILL)
    held.open()
    assert two.result()["error"] == ""
    again = {text for text, times in held.sent.items() if times > 1}
    assert again <= under_way
    assert max(held.sent.values()) <= 2
    assert len(under_way) <= 2 * REQUEST
    assert published(database) == [("two", TEXTS // 4)]
    held.forget()
    assert start("one").result()["error"] == ""
    assert held.sent == {}
    assert published(database) == [("one", TEXTS // 4), ("two", TEXTS // 4)]


def test_a_dead_holders_lease_runs_out_and_the_next_refresh_goes_on(
    start: Callable[..., Process], database: Database
) -> None:
    first = start(points={"chunks.end": "kill"}, lease_seconds=2.0)
    until(lambda: not first.alive, "the first one to die")
    second = start().result()
    assert second["error"] == ""
    assert second["counts"]["elements"]["parsed"] == 0
    assert published(database) == [("notes", TEXTS // 4)]


def test_a_holder_that_was_thought_dead_publishes_nothing(
    start: Callable[..., Process], database: Database, corpus: Path
) -> None:
    first = start(points={"publication.indexed": "stop"}, lease_seconds=1.0)
    first.reaches("publication.indexed")
    write(corpus, "new.md", "The sluice is open.")
    second = start()
    assert second.result()["error"] == ""
    publishes = rows(database, "SELECT publish_id, run_id FROM corpus.publishes", role=None)
    first.signal(signal.SIGCONT)
    ended = first.result()
    assert (ended["error"], ended["code"]) == ("LeaseLost", 4)
    assert rows(database, "SELECT publish_id, run_id FROM corpus.publishes", role=None) == publishes
    assert publishes[0][1] == second.job.run_id
    assert published(database) == [("notes", TEXTS // 4 + 1)]


def test_a_holder_that_stands_still_inside_its_publish_holds_nobody_up_for_ever(
    start: Callable[..., Process], database: Database, corpus: Path
) -> None:
    first = start(points={"publication.heads_moved": "stop"}, lease_seconds=4.0)
    first.reaches("publication.heads_moved")
    write(corpus, "new.md", "The sluice is open.")
    busy = start(wait_seconds=0.0).result()
    assert busy["error"] == "CollectionBusy"
    assert start().result()["error"] == ""
    first.signal(signal.SIGCONT)
    assert first.result()["code"] == 4
    assert published(database) == [("notes", TEXTS // 4 + 1)]
    assert rows(database, "SELECT count(*) FROM corpus.publishes", role=None) == [(1,)]


def test_a_holder_that_was_thought_dead_claims_no_stage_as_done_and_takes_no_lease_back(
    start: Callable[..., Process], database: Database, corpus: Path
) -> None:
    assert start().result()["error"] == ""
    first = start(points={"elements.start": "stop", "elements.end": "hold"}, lease_seconds=1.0)
    first.reaches("elements.start")
    write(corpus, "new.md", "The sluice is open.")
    assert start().result()["error"] == ""
    first.signal(signal.SIGCONT)
    first.reaches("elements.end")
    time.sleep(1.0)  # Its thread renews the lease three times a second, if it still does.
    assert rows(database, "SELECT holder, expires_at < now() FROM corpus.leases", role=None) == [("", True)]
    first.let_go("elements.end")
    assert first.result()["error"] == "LeaseLost"
    stages = rows(database, f"SELECT stages FROM corpus.refreshes WHERE run_id = '{first.job.run_id}'", role=None)[0][0]
    assert set(stages) == {"documents"}


def test_no_transaction_is_open_while_an_endpoint_is_asked(
    start: Callable[..., Process], database: Database, held: HeldServer
) -> None:
    held.held = True
    process = start()
    until(lambda: len(held.waiting) == 2, "two requests under way")
    asked = rows(database, "SELECT now()", role=None)[0][0]
    query = (
        "SELECT state, xact_start, query FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend' "
        f"AND (state LIKE 'idle in transaction%' OR xact_start < '{asked.isoformat()}')"
    )
    for _ in range(10):  # The thread that renews the lease may be in the middle of its statement.
        assert rows(database, query, role=None) == []
        assert len(backends(database)) >= 2
        time.sleep(0.05)
    held.open()
    assert process.result()["error"] == ""
