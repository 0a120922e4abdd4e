"""The publish transaction: what may move, and that it begins again where something came in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from assets.engine import STAGES, audit_stage
from assets.publication import stage as publication
from assets.refresh import end_refresh, open_refresh, run_stage
from assets.workbench import Workbench
from resources import failpoints
from resources.postgres import Database
from tests.conftest import refresh, rows, write

DAMAGE = {
    "chunk set pass": "DELETE FROM corpus.chunk_set_passes AS p USING corpus.chunk_sets AS s, corpus.chunks AS k, "
    "corpus.texts AS t WHERE p.chunk_set_id = s.chunk_set_id AND s.chunk_set_id = k.chunk_set_id "
    "AND k.text_id = t.text_id AND t.text LIKE '%seven%'",
    "element pass": "DELETE FROM corpus.element_passes AS p USING corpus.elements AS e "
    "WHERE p.elements_id = e.elements_id AND e.text LIKE '%seven%'",
    "vector": "DELETE FROM corpus.vectors_small AS v USING corpus.texts AS t "
    "WHERE v.text_id = t.text_id AND t.text LIKE '%seven%'",
}


@pytest.mark.parametrize("lost", DAMAGE)
def test_what_has_no_recorded_pass_or_vector_does_not_move_even_if_the_gate_is_blind(
    bench: Workbench, database: Database, corpus: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(bench)
    write(corpus, "tides.txt", "High tide is at seven.\n")
    write(corpus, "new.txt", "A document with all that it needs.\n")

    def damage(name: str) -> None:
        if name == "publication.start":
            with database.connect(role=None) as session:
                session.connection.execute(DAMAGE[lost].encode())

    monkeypatch.setattr(publication, "findings", lambda *_: {})
    failpoints.install(damage)
    try:
        refresh(bench)
    finally:
        failpoints.install(None)
    shown = dict(rows(database, "SELECT uri, text FROM search.chunks WHERE ordinal = 0"))
    assert "six" in shown["tides.txt"]
    assert "new.txt" in shown
    monkeypatch.undo()
    refresh(bench)  # What waits is not forgotten.
    shown = dict(rows(database, "SELECT uri, text FROM search.chunks WHERE ordinal = 0"))
    assert "seven" in shown["tides.txt"]


def test_a_publish_begins_again_where_the_lease_was_renewed_at_that_moment(
    bench: Workbench, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = iter([True, True, False])
    real = publication._pass_gate

    def fail_twice(*arguments: Any) -> None:
        if next(refused, False):
            raise psycopg.errors.SerializationFailure("could not serialize access due to concurrent update")
        real(*arguments)

    monkeypatch.setattr(publication, "_pass_gate", fail_twice)
    refresh(bench)
    assert rows(database, "SELECT count(*) FROM search.documents") == [(3,)]
    assert rows(database, "SELECT publish FROM search.publishes") == [(1,)]


def test_gate_and_flip_see_one_state(bench: Workbench, database: Database, corpus: Path) -> None:
    """A chunk set of another collection's making that appears after the gate is not moved by this publish."""
    refresh(bench)
    seen: list[str] = []

    def look(name: str) -> None:
        if name == "publication.gated":
            with database.connect(role=None) as session:
                session.connection.execute("UPDATE corpus.documents SET metadata = '{\"late\": true}'")
            seen.append(name)

    write(corpus, "new.txt", "A document more.\n")
    failpoints.install(look)
    try:
        refresh(bench)
    finally:
        failpoints.install(None)
    assert seen == ["publication.gated"]
    late = rows(database, "SELECT count(*) FROM search.documents WHERE metadata ? 'late'")
    assert late == [(0,)]


def test_every_stage_and_audit_is_behind_a_failpoint(bench: Workbench) -> None:
    reached: list[str] = []
    failpoints.install(reached.append)
    try:
        with open_refresh(bench, "notes", "one") as opened:
            for stage, run in STAGES.items():
                run_stage(opened, stage, run)
                audit_stage(opened, stage)
        end_refresh(bench, "notes", "published")
    finally:
        failpoints.install(None)
    wanted = {name for name in failpoints.REGISTRY if name.split(".")[0] in {*STAGES, "refresh"}}
    assert wanted <= set(reached)
