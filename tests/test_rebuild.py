"""Building an index anew beside the live one, after heavy churn or because it is broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assets.upkeep import rebuild
from assets.upkeep.rebuild import rebuild_index
from assets.workbench import Workbench
from resources.errors import TransientError
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.sweeping import at, collect, do, hooked, leave_garbage, strike, unmeasured

assert unmeasured


def indexes(database: Database) -> list[tuple[Any, ...]]:
    """Return the indexes of the vectors' table that are HNSW, with whether they are valid."""
    return rows(
        database,
        "SELECT c.relname, i.indisvalid, c.oid FROM pg_index AS i JOIN pg_class AS c ON i.indexrelid = c.oid "
        "JOIN pg_am AS a ON c.relam = a.oid WHERE a.amname = 'hnsw' ORDER BY 1",
        None,
    )


def plan(database: Database) -> str:
    """Return how Postgres would search."""
    with database.connect(role="pipeline") as session:
        session.connection.execute("SET enable_seqscan = off")
        lines = session.connection.execute(
            "EXPLAIN SELECT text_id FROM vectors_small ORDER BY embedding <=> (SELECT embedding FROM vectors_small "
            "LIMIT 1) LIMIT 10",
            prepare=False,
        ).fetchall()
    return "\n".join(line for (line,) in lines)


def test_heavy_churn_has_the_index_rebuilt_and_used(bench: Workbench, database: Database, corpus: Path) -> None:
    leave_garbage(bench, corpus)
    (before,) = indexes(database)
    report = collect(bench)
    assert report.rebuilt
    (after,) = indexes(database)
    assert after[:2] == ("vectors_small_hnsw", True)
    assert after[2] != before[2]
    assert "vectors_small_hnsw" in plan(database)
    assert do(database, "SELECT retired FROM spaces") == [(0,)]
    assert not collect(bench).rebuilt


def test_little_churn_leaves_the_index_as_it_is(bench: Workbench, database: Database, corpus: Path) -> None:
    for number in range(12):
        write(corpus, f"n{number}.md", f"# Note {number}\n\nText of note {number}.\n")
    leave_garbage(bench, corpus)
    before = indexes(database)
    report = collect(bench)
    assert report.removed["vectors"] == 1
    assert not report.rebuilt
    assert indexes(database) == before
    assert do(database, "SELECT retired FROM spaces") == [(1,)]


@pytest.mark.parametrize("point", ["sweep.index_built", "sweep.index_swapped"])
def test_an_interrupted_rebuild_leaves_nothing_that_the_next_sweep_does_not_clear(
    bench: Workbench, database: Database, corpus: Path, point: str
) -> None:
    leave_garbage(bench, corpus)
    with hooked(at(point, strike)), pytest.raises(RuntimeError):
        collect(bench)
    assert all(valid for _, valid, _ in indexes(database))
    assert "vectors_small_hnsw" in plan(database)
    do(database, "UPDATE spaces SET retired = 0")
    assert collect(bench).rebuilt == (point == "sweep.index_built")
    assert [name for name, _, _ in indexes(database)] == ["vectors_small_hnsw"]


def test_an_invalid_index_is_replaced(bench: Workbench, database: Database) -> None:
    refresh(bench)
    rows_of = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'corpus.vectors_small_hnsw'::regclass"
    with database.connect(role=None) as session:
        session.connection.execute(rows_of.encode())
    with database.connect() as session:
        assert rebuild_index(bench, session, 1).built
    assert [(name, valid) for name, valid, _ in indexes(database)] == [("vectors_small_hnsw", True)]


def test_one_rebuild_of_a_space_at_a_time(bench: Workbench, database: Database) -> None:
    refresh(bench)
    with database.connect() as session, database.connect() as other:
        other.execute("upkeep/lock_rebuild", {"space_id": 1})
        assert not rebuild_index(bench, session, 1).built


def test_readers_keep_the_old_index_while_they_hold_it(
    bench: Workbench, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(bench)
    monkeypatch.setattr(rebuild, "SWAPS", 2)
    do(database, "ALTER FUNCTION swap_spare_index(integer, bigint) SET lock_timeout = '50ms'")
    before = indexes(database)
    with database.connect(role="reader") as reader, reader.transaction():
        reader.connection.execute(b"SELECT count(*) FROM search.chunks")
        with database.connect() as session, pytest.raises(TransientError, match="Readers held the index"):
            rebuild_index(bench, session, 1)
        assert before[0] in indexes(database)
        assert reader.connection.execute(b"SELECT count(*) FROM search.chunks").fetchone() is not None
    assert collect(bench).rebuilt
    assert len(indexes(database)) == 1
