"""Going back to an earlier publish: what readers see, what it costs, and what holds until the collection is let go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assets.publication.rollback import list_publishes, rollback, unpin
from assets.workbench import Workbench
from resources.errors import ConfigurationError
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer

STATE = (
    "SELECT uri, link, title, ordinal, text, metadata, embedding::text FROM search.chunks "
    "WHERE collection = 'notes' ORDER BY uri, ordinal"
)


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
    differing = rows(
        database,
        "SELECT count(*) FROM (SELECT DISTINCT ON (document_id) document_id, chunk_set_id FROM corpus.publish_changes "
        "ORDER BY document_id, publish_id DESC) AS l FULL JOIN corpus.heads AS h USING (document_id) "
        "WHERE l.chunk_set_id IS DISTINCT FROM h.chunk_set_id",
        role=None,
    )
    assert differing == [(0,)]


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
