"""Going back to an earlier publish: what readers see, what it costs, and what holds until the collection is let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from assets.publication.rollback import list_publishes, rollback, unpin
from assets.upkeep.erase import erase
from assets.upkeep.sweep import sweep
from assets.upkeep.verify import verify
from assets.workbench import Workbench
from resources import failpoints
from resources.errors import ConfigurationError
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer
from tests.worlds import assert_counted

STATE = (
    "SELECT uri, link, title, ordinal, text, metadata, embedding::text FROM search.chunks "
    "WHERE collection = 'notes' ORDER BY uri, ordinal"
)

DIFFERING = """
    SELECT coalesce(l.document_id, h.document_id), l.publish_id, h.publish_id
    FROM (
        SELECT DISTINCT ON (document_id) document_id, publish_id, chunk_set_id, link, title, metadata
        FROM corpus.publish_changes ORDER BY document_id, publish_id DESC
    ) AS l FULL JOIN corpus.heads AS h USING (document_id)
    WHERE (l.chunk_set_id IS NOT NULL OR h.document_id IS NOT NULL)
    AND (l.chunk_set_id, l.link, l.title, l.metadata) IS DISTINCT FROM (h.chunk_set_id, h.link, h.title, h.metadata)
    OR l.chunk_set_id IS NOT NULL AND l.publish_id <> h.publish_id
"""
"""Documents whose newest line in the ledger is not what readers see."""


class Cut(Exception):
    """What the failpoint raises."""


@contextmanager
def cut_off_after_the_flip() -> Iterator[None]:
    """Have a rollback end after readers are back, and before anything is written down."""

    def strike(name: str) -> None:
        if name == "rollback.committed":
            raise Cut

    failpoints.install(strike)
    try:
        with pytest.raises(Cut):
            yield
    finally:
        failpoints.install(None)


def state(database: Database) -> list[tuple[Any, ...]]:
    """Return what readers see."""
    return rows(database, STATE)


@pytest.fixture
def history(bench: Workbench, database: Database, corpus: Path) -> list[list[tuple[Any, ...]]]:
    """Three publishes: as found; with an edit and a new document; with one removed."""
    bench.accept_deletions = True
    states = []
    refresh(bench)
    states.append(state(database))
    write(corpus, "tides.txt", "High tide is at seven. Low tide is at one.\n")
    write(corpus, "new.md", "# New\n\nA document of the second publish.\n")
    refresh(bench)
    states.append(state(database))
    (corpus / "gate.md").unlink()
    refresh(bench)
    states.append(state(database))
    return states


@pytest.mark.parametrize("number", [1, 2])
def test_readers_are_back_on_the_publish_that_was_asked_for_without_embedding(
    bench: Workbench, database: Database, endpoint: EmbeddingServer, history: list[list[tuple[Any, ...]]], number: int
) -> None:
    endpoint.forget()
    rollback(bench, "notes", number, by="somebody", run_id="back")
    assert state(database) == history[number - 1]
    assert endpoint.texts == []
    with database.connect() as session:
        newest, *_ = list_publishes(session, "notes")
    assert (newest.kind, newest.restores, newest.current) == ("rollback", number, True)


def test_a_pinned_collection_prepares_and_publishes_nothing_until_it_is_let_go(
    bench: Workbench, database: Database, corpus: Path, endpoint: EmbeddingServer, history: list[list[tuple[Any, ...]]]
) -> None:
    rollback(bench, "notes", 1, by="somebody", run_id="back")
    write(corpus, "later.md", "# Later\n\nWritten while the collection was pinned.\n")
    endpoint.forget()
    report = refresh(bench).reports["publication"]
    assert (report.changed, report.counts["pinned_to"]) == (False, 1)
    assert state(database) == history[0]
    assert len(endpoint.texts) == 1
    endpoint.forget()
    refresh(bench)
    assert unpin(bench, "notes", run_id="on")
    assert not unpin(bench, "notes", run_id="on again")
    assert state(database) == history[0]
    refresh(bench)
    assert endpoint.texts == []
    assert {row[0] for row in state(database)} == {"later.md", "new.md", "tides.txt", "水門.md"}
    assert not refresh(bench).changed


def test_going_back_twice_and_forward_again_shows_each_state_exactly(
    bench: Workbench, database: Database, history: list[list[tuple[Any, ...]]]
) -> None:
    for number in (1, 3, 2, 3, 1):
        rollback(bench, "notes", number, by="somebody", run_id=f"to-{number}")
        assert state(database) == history[number - 1]
    assert rows(database, DIFFERING, role=None) == []


@pytest.mark.usefixtures("history")
def test_a_publish_that_never_was_or_was_collected_is_refused_by_name(bench: Workbench, database: Database) -> None:
    with pytest.raises(ConfigurationError, match=r"no publish 9; it can go back to 3, 2, 1"):
        rollback(bench, "notes", 9, by="somebody", run_id="back")
    with database.connect(role=None) as session:
        session.connection.execute("UPDATE corpus.publishes SET collected_at = now() WHERE number = 1")
    with pytest.raises(ConfigurationError, match="Publish 1 of notes was collected"):
        rollback(bench, "notes", 1, by="somebody", run_id="back")
    with pytest.raises(ConfigurationError, match="no collection 'other'"):
        rollback(bench, "other", 1, by="somebody", run_id="back")


def repaired(bench: Workbench) -> object:
    """Damage a head and mend it."""
    damage(bench)
    return verify(bench, None, repair=True, run_id="next")


def damage(bench: Workbench) -> None:
    """Have a head show what no publish gave it."""
    with bench.database.connect(role=None) as session:
        session.connection.execute("UPDATE corpus.heads SET title = 'damaged' WHERE uri = 'tides.txt'")


COMERS: dict[str, Callable[[Workbench], object]] = {
    "a refresh": refresh,
    "an unpin": lambda bench: unpin(bench, "notes", run_id="next"),
    "the same rollback": lambda bench: rollback(bench, "notes", 1, by="somebody", run_id="next"),
    "a repair": repaired,
}
"""Who may hold the collection after a rollback that was cut off."""


@pytest.mark.parametrize("comer", COMERS)
def test_a_rollback_that_is_cut_off_after_its_flip_is_written_down_by_whoever_comes_next(
    bench: Workbench, database: Database, history: list[list[tuple[Any, ...]]], comer: str
) -> None:
    with cut_off_after_the_flip():
        rollback(bench, "notes", 1, by="somebody", run_id="back")
    assert state(database) == history[0]
    assert rows(database, "SELECT count(*) FROM corpus.publish_changes WHERE publish_id = 4", role=None) == [(0,)]
    COMERS[comer](bench)
    assert state(database) == history[0]
    assert rows(database, DIFFERING, role=None) == []
    assert_counted(database)
    with database.connect() as session:
        publish = next(found for found in list_publishes(session, "notes") if found.number == 4)
    assert publish.counts == {"added": 1, "changed": 1, "metadata_only": 0, "removed": 1}


def test_heads_that_a_rollback_leaves_as_they_are_keep_their_publish(
    bench: Workbench, database: Database, history: list[list[tuple[Any, ...]]]
) -> None:
    rollback(bench, "notes", 1, by="somebody", run_id="back")
    assert state(database) == history[0]
    found = rows(database, "SELECT DISTINCT uri, publish FROM search.chunks ORDER BY uri")
    assert found == [("gate.md", 4), ("tides.txt", 4), ("水門.md", 1)]


def test_until_a_rollback_is_written_down_a_comparison_finds_nothing_and_damage_all_the_same(
    bench: Workbench, database: Database, history: list[list[tuple[Any, ...]]]
) -> None:
    with cut_off_after_the_flip():
        rollback(bench, "notes", 2, by="somebody", run_id="back")
    assert verify(bench, None, repair=False, run_id="look") == []
    assert state(database) == history[1]
    damage(bench)
    assert [item.kind for item in verify(bench, None, repair=False, run_id="look again")] == ["heads_altered"]


@pytest.mark.usefixtures("history")
def test_until_a_rollback_is_written_down_what_it_shows_is_neither_collected_nor_kept_from_an_erasure(
    bench: Workbench, database: Database, history: list[list[tuple[Any, ...]]]
) -> None:
    with cut_off_after_the_flip():
        rollback(bench, "notes", 1, by="somebody", run_id="back")
    sweep(bench, run_id="sweep", keep_days=0, keep_publishes=1)
    assert state(database) == history[0]
    with database.connect(role=None) as session, pytest.raises(psycopg.errors.ForeignKeyViolation):
        session.connection.execute(
            "DELETE FROM corpus.chunk_sets WHERE chunk_set_id IN (SELECT chunk_set_id FROM corpus.heads)"
        )
    erase(bench, "notes", "gate.md", by="somebody", run_id="erase")
    refresh(bench)
    assert state(database) == [row for row in history[0] if row[0] != "gate.md"]
    assert rows(database, DIFFERING, role=None) == []
    assert_counted(database)
    unpin(bench, "notes", run_id="on")
    refresh(bench)
    assert state(database) == history[2]


def test_one_rollback_that_is_cut_off_after_another_goes_back_exactly(
    bench: Workbench, database: Database, history: list[list[tuple[Any, ...]]]
) -> None:
    for number in (1, 3, 2, 4):
        with cut_off_after_the_flip():
            rollback(bench, "notes", number, by="somebody", run_id=f"to-{number}")
        assert state(database) == [*history, history[0]][number - 1]
    unpin(bench, "notes", run_id="on")
    assert rows(database, DIFFERING, role=None) == []


def test_no_two_rollbacks_of_a_collection_are_waiting_to_be_written_down(
    bench: Workbench, database: Database, history: list[list[tuple[Any, ...]]]
) -> None:
    with database.connect(role=None) as session, pytest.raises(psycopg.errors.UniqueViolation):
        session.connection.execute("UPDATE corpus.publishes SET written_down = false")
    assert state(database) == history[2]
