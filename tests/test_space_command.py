"""`suimon space`, the job `migrate_space`, and building the index of a space."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.vectors import index
from assets.vectors.index import build_index, memory_for
from assets.workbench import Workbench
from pipelines.cli.main import run
from pipelines.jobs import migrate_space_job
from resources.errors import ConfigurationError
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer, serve
from tests.test_cli import declare  # noqa: F401  # A fixture.


@pytest.fixture
def other() -> Iterator[EmbeddingServer]:
    """The new model's endpoint."""
    with serve(EmbeddingServer(dimensions=2500, model="new-embeddings")) as server:
        yield server


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that has to end with a code; returns what it printed."""

    def run_it(*arguments: str, code: int = 0) -> str:
        assert run(list(arguments)) == code
        return "".join(capsys.readouterr())

    return run_it


def test_a_model_is_changed_from_the_command_line(
    request: pytest.FixtureRequest,
    told: Callable[..., str],
    endpoint: EmbeddingServer,
    other: EmbeddingServer,
    database: Database,
    corpus: Path,
) -> None:
    write_declaration = request.getfixturevalue("declare")

    assert "notes: published" in told("refresh")
    small = {"base_url": endpoint.url, "model": "fake"}
    large = {"base_url": other.url, "model": "new", "price_per_million_tokens": 0.5}
    write_declaration(spaces={"small": small, "large": large})
    assert "large is declared and not kept yet" in told("space", "status")
    assert "keeps no space 'larg'" in told("space", "promote", "larg", code=2)
    assert "'other' is not declared" in told("space", "add", "other", code=2)
    first = told("space", "add", "large", "--no-fill")
    assert "2,500 dimensions, stored by half precision (halfvec)" in first
    state = {found["space"]: found for found in json.loads(told("space", "status", "--json"))}
    (notes,) = state["large"]["collections"]
    assert (notes["settled"], notes["texts"], notes["filled"]) == (0, 3, False)
    assert notes["cost_to_go"] > 0
    assert "notes is not complete in it (3 texts lack a vector)" in told("space", "promote", "large", code=2)
    (plan,) = json.loads(told("plan", "--json"))
    assert (plan["spaces"]["large"]["texts"], plan["spaces"]["small"]["texts"]) == (3, 0)
    assert "notes 0 of 3 texts" in told("status")
    assert "space promote large" in told("space", "add", "large")
    assert "small is live" in told("space", "drop", "small", code=2)
    assert "Readers see large now" in told("space", "promote", "large")
    assert "live already" in told("space", "promote", "large")
    assert rows(database, "SELECT DISTINCT public.vector_dims(embedding) FROM search.chunks") == [(2500,)]
    assert "gone with 3 vectors" in told("space", "drop", "small")
    write_declaration(spaces={"large": large})
    write(corpus, "weir.md", "# Weir\n\nThe weir is closed.\n")
    assert "published" in told("refresh")
    assert "small was dropped by" in told("space", "promote", "small", code=2)


def test_what_is_published_and_not_declared_keeps_a_space_from_being_complete_and_is_named(
    request: pytest.FixtureRequest,
    told: Callable[..., str],
    endpoint: EmbeddingServer,
    other: EmbeddingServer,
    tmp_path: Path,
    corpus: Path,
) -> None:
    write_declaration = request.getfixturevalue("declare")

    spaces = {"small": {"base_url": endpoint.url, "model": "fake"}, "large": {"base_url": other.url, "model": "new"}}
    write(tmp_path, "golden.jsonl", '{"question": "When is it closed?", "answers": ["gate.md"]}\n')
    notes = {"source": str(corpus), "golden": {"file": "golden.jsonl"}}
    write_declaration(collections={"notes": notes, "former": {"source": str(corpus)}})
    told("refresh")
    write_declaration(collections={"notes": notes}, spaces=spaces)
    told("space", "add", "large", "--no-fill")
    assert "Space large is still being filled" in told("space", "evaluate", "large", code=2)
    said = " ".join(told("space", "add", "large", code=3).split())
    assert "former is not complete in it and not declared any more: declare it, or `suimon drop` it" in said
    assert "lets readers see it" not in said


def test_the_job_fills_and_promotes_a_space(bench: Workbench, other: EmbeddingServer, database: Database) -> None:
    refresh(bench)
    large = bench.space("small").model_copy(update={"base_url": other.url, "model": "new"})
    bench.spaces = {**bench.spaces, "large": large}

    def launch(**config: Any) -> dg.ExecuteInProcessResult:
        return migrate_space_job().execute_in_process(
            run_config={"ops": {"fill_space": {"config": {"space": "large", **config}}}},
            resources={"workbench": bench},
            raise_on_error=False,
        )

    other.trouble = lambda texts: (400, {}, {"error": {"message": "no"}}) if "High" in texts[0] else None
    assert launch().success
    assert rows(database, "SELECT space, live, ready FROM search.spaces ORDER BY 1") == [
        ("large", False, True), ("small", True, True),
    ]  # fmt: skip
    assert launch(promote=True).success
    assert rows(database, "SELECT space FROM search.spaces WHERE live") == [("large",)]
    assert not launch(space="nowhere").success


def test_memory_follows_rows_and_dimensions_within_its_bound() -> None:
    assert memory_for(10, 384, "vector", 2048) == 64
    assert 130 < memory_for(60_000, 384, "vector", 2048) < 180
    assert memory_for(1_000_000, 3072, "halfvec", 2048) == 2048
    assert memory_for(100_000, 3072, "halfvec", 10_000) < memory_for(100_000, 3072, "vector", 10_000)


@pytest.fixture
def many(bench: Workbench, database: Database) -> Callable[[int], None]:
    """Makes vectors of nothing in the space, without an index."""
    refresh(bench)

    def make(count: int) -> None:
        with database.connect(role="owner") as session:
            session.connection.execute("DROP INDEX vectors_small_hnsw")
            session.connection.execute(
                "WITH made AS (INSERT INTO texts (hash, text, tokens) SELECT sha256(n::text::bytea), n::text, 1 FROM "
                "generate_series(1, %s) AS n RETURNING text_id) INSERT INTO vectors_small (text_id, embedding) SELECT "
                "text_id, (SELECT array_agg(random() - 0.5) FROM generate_series(1, 32) WHERE text_id > 0)::vector "
                "FROM made",
                [count],
            )

    return make


def test_a_graph_that_outgrows_its_memory_is_told(
    bench: Workbench, database: Database, many: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    many(3000)
    monkeypatch.setattr(index, "memory_for", lambda *_: 1)
    with database.connect() as session:
        build = build_index(bench, session, 1)
    assert build.built
    (note,) = build.notes
    assert "index_memory_mb" in note
    with database.connect() as session:
        assert session.value("vectors/has_index", {"space_id": 1})
        assert not build_index(bench, session, 1).built


def test_a_build_is_shown_as_it_goes_on(
    bench: Workbench, database: Database, many: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    many(8000)
    monkeypatch.setattr(index, "POLL_SECONDS", 0.05)
    heard: list[tuple[str, int, int | None]] = []
    bench.progress = lambda stage, done, total: heard.append((stage, done, total))
    with database.connect() as session:
        build = build_index(bench, session, 1)
    assert not build.notes
    assert {(stage, total) for stage, _, total in heard} == {("index of small", 8004)}
    assert any(0 < done <= 8004 for _, done, _ in heard)


def test_more_dimensions_than_an_index_takes_are_refused(bench: Workbench, endpoint: EmbeddingServer) -> None:
    endpoint.dimensions = 4001
    with pytest.raises(ConfigurationError, match=r"4,001 dimensions.*at most 4,000"):
        refresh(bench)
