"""A refresh end to end, without Dagster: what becomes visible, and what is not done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.workbench import Workbench
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer

pytestmark = pytest.mark.great_expectations


def test_a_first_refresh_publishes_every_document(bench: Workbench, database: Database) -> None:
    summary = refresh(bench)
    assert summary.reports["publication"].counts["added"] == 3
    seen = rows(database, "SELECT DISTINCT uri FROM search.chunks ORDER BY uri")
    assert [uri for (uri,) in seen] == ["gate.md", "tides.txt", "水門.md"]


def test_an_unchanged_refresh_embeds_nothing_and_writes_one_line(
    bench: Workbench, database: Database, endpoint: EmbeddingServer
) -> None:
    refresh(bench)
    endpoint.forget()
    before = _row_counts(database)
    summary = refresh(bench)
    assert not summary.changed
    assert endpoint.requests == []
    after = _row_counts(database)
    assert after.pop("refreshes") == before.pop("refreshes") + 1
    assert after == before


def test_an_edited_paragraph_embeds_that_paragraph_alone(
    bench: Workbench, corpus: Path, endpoint: EmbeddingServer, database: Database
) -> None:
    refresh(bench)
    endpoint.forget()
    write(corpus, "gate.md", "# Gate\n\nThe gate is opened when the water is high.\n\n## Checks\n\nPaint the hinges.\n")
    summary = refresh(bench)
    assert summary.reports["publication"].counts["changed"] == 1
    assert len(endpoint.texts) == 1
    assert rows(database, "SELECT count(*) FROM search.chunks WHERE text LIKE '%Grease%'") == [(0,)]


def test_a_renamed_file_embeds_nothing_and_is_found_under_its_new_name(
    bench: Workbench, corpus: Path, endpoint: EmbeddingServer, database: Database
) -> None:
    bench.accept_deletions = True
    refresh(bench)
    endpoint.forget()
    (corpus / "tides.txt").rename(corpus / "times.txt")
    refresh(bench)
    assert endpoint.requests == []
    seen = rows(database, "SELECT DISTINCT uri FROM search.chunks ORDER BY uri")
    assert [uri for (uri,) in seen] == ["gate.md", "times.txt", "水門.md"]


def _row_counts(database: Database) -> dict[str, int]:
    """Rows ever written, by table: inserted, updated and deleted, as Postgres counts them."""
    query = (
        "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables "
        "WHERE schemaname = 'corpus' AND relname <> 'leases'"
    )
    with database.connect(role=None) as session:
        session.connection.execute("SELECT pg_stat_clear_snapshot()")
        session.connection.execute("SELECT pg_stat_force_next_flush()")
        tables = dict(session.connection.execute(query.encode()).fetchall())
        live = {"refreshes": session.connection.execute("SELECT count(*) FROM corpus.refreshes").fetchone()}
    return {name: count for name, count in tables.items() if name != "refreshes"} | {"refreshes": live["refreshes"][0]}  # type: ignore[index]
