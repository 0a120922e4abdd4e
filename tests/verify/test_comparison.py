"""Comparing: nothing is found where all is whole, a vector is judged by what it is, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from assets.upkeep.verify import _looking
from assets.upkeep.verify_findings import NOTES
from assets.workbench import Doors, Workbench
from pipelines.cli.main import run
from resources.errors import ConfigurationError, SuimonError
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer
from tests.test_cli import declare  # noqa: F401  # A fixture.
from tests.verify.damage import (
    HEADS,
    SETTINGS,
    SOME_SET,
    SOME_TEXT,
    SPACE,
    UNUSED_TEXT,
    UNUSED_VECTOR,
    check,
    damage,
    kinds,
    published,
)


def test_nothing_is_found_in_a_table_that_is_whole(
    kept: Workbench, database: Database, corpus: Path, endpoint: EmbeddingServer
) -> None:
    assert check(kept) == []
    write(corpus, "tides.txt", "High tide is at seven now.\n")
    (corpus / "gate.md").unlink()
    kept.accept_deletions = True
    refresh(kept)
    endpoint.forget()
    assert check(kept) == []
    assert check(kept, ["notes"], repair=True) == []
    assert endpoint.requests == []


def test_nothing_is_found_before_the_first_publish(
    bench: Workbench, make_database: Callable[..., Database], template: str
) -> None:
    empty = make_database(template)
    bench.doors = Doors(lambda: empty.dsn, bench.doors.embedding_url)
    assert check(bench) == []
    with pytest.raises(ConfigurationError, match="holds no collection 'notes'"):
        check(bench, ["notes"])


def test_nothing_is_found_beside_a_document_in_quarantine(kept: Workbench, corpus: Path) -> None:
    write(corpus, "broken.pdf", b"%PDF-1.7 and then nothing")
    write(corpus, "empty.txt", "")
    refresh(kept)
    assert check(kept) == []


def test_nothing_is_found_while_a_refresh_is_half_way(kept: Workbench, corpus: Path, endpoint: EmbeddingServer) -> None:
    write(corpus, "more.md", "# More\n\nAnother page on weirs.\n")
    endpoint.script = [(401, {}, {"error": {"message": "no"}})] * 9
    with pytest.raises(SuimonError):
        refresh(kept)
    assert check(kept) == []


def test_an_altered_vector_that_nothing_shows_is_taken_away_before_something_does(
    kept: Workbench, database: Database, endpoint: EmbeddingServer
) -> None:
    damage(database, UNUSED_TEXT, UNUSED_VECTOR, "UPDATE vectors_small SET digest = '\\x00' WHERE text_id = 900000")
    found = check(kept)
    assert [(item.kind, item.collection, item.count) for item in found] == [("vectors_altered", None, 1)]
    assert check(kept, ["notes"]) == []
    before = published(database)
    assert check(kept, repair=True)[0].left == 0
    assert rows(database, "SELECT count(*) FROM corpus.vectors_small WHERE text_id = 900000", role=None) == [(0,)]
    assert published(database) == before
    assert endpoint.requests == []


def test_rows_from_before_there_were_digests_are_compared_as_far_as_they_can_be(
    kept: Workbench, database: Database, endpoint: EmbeddingServer
) -> None:
    (vectors,) = rows(database, "SELECT count(*) FROM corpus.vectors_small", role=None)[0]
    before = published(database)
    damage(database, "UPDATE vectors_small SET digest = null", "UPDATE chunk_sets SET digest = null")
    found = check(kept)
    assert kinds(found) == {"chunk_sets_without_digest": 4, "vectors_unverifiable": vectors}
    assert set(kinds(found)) == NOTES
    assert [item.left for item in found] == [0, 0]
    check(kept, repair=True)
    assert kinds(check(kept)) == {"vectors_unverifiable": vectors}
    damage(
        database,
        f"UPDATE vectors_small SET embedding = embedding * "
        f"(SELECT ('[' || repeat('2,', 31) || '2]')::vector) WHERE text_id = {SOME_TEXT}",
        "UPDATE chunk_sets SET digest = null",
        f"UPDATE chunks SET body_start = body_start + 1 WHERE chunk_set_id = {SOME_SET} AND ordinal = 2",
    )
    found = check(kept, sample=0)
    assert kinds(found) == {
        "chunk_sets_without_digest": 3, "chunks_altered": 1, "vectors_altered": 1, "vectors_unverifiable": vectors - 1,
    }  # fmt: skip
    assert all(item.left == 0 for item in check(kept, repair=True, sample=0))
    assert published(database) == before
    assert len(endpoint.texts) == 1
    assert kinds(check(kept)) == {"vectors_unverifiable": vectors - 1}


def test_the_ledger_of_comparisons_holds_numbers_and_no_uri(kept: Workbench, database: Database) -> None:
    damage(database, *HEADS["heads_missing"][0])
    check(kept)
    check(kept, ["notes"], repair=True)
    lines = rows(database, "SELECT collection, repaired, findings FROM corpus.verifications ORDER BY 1 DESC", role=None)
    line = {"kind": "heads_missing", "collection": "notes", "count": 2}
    assert lines == [(None, False, [line | {"repaired": 0}]), ("notes", True, [line | {"repaired": 2}])]


def test_a_comparison_could_not_write_if_it_tried(kept: Workbench) -> None:
    with kept.database.connect() as session:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), _looking(session):
            session.execute("verify/delete_old_rate_usage")
        session.execute("verify/delete_old_rate_usage")


@pytest.mark.parametrize("kind", ["vector", "halfvec"])
def test_a_vector_is_judged_by_dimensions_length_and_digest(database: Database, kind: str) -> None:
    ask = "SELECT vector_fault('{0}'::{1}, CASE WHEN {2} THEN vector_digest('{3}'::{1}) END, 2, {4})"
    cases = [
        ("[1,0]", "true", "[1,0]", "true", None),
        ("[1,0,0]", "true", "[1,0,0]", "true", "vectors_of_wrong_dimensions"),
        ("[0,0]", "true", "[0,0]", "false", "vectors_zero"),
        ("[0,1]", "true", "[1,0]", "true", "vectors_altered"),
        ("[2,0]", "false", "[1,0]", "true", "vectors_altered"),
        ("[2,0]", "false", "[1,0]", "false", "vectors_unverifiable"),
    ]
    for embedding, known, stored, normalised, expected in cases:
        query = ask.format(embedding, kind, known, stored, normalised)
        assert rows(database, query, role="pipeline") == [(expected,)], query


def test_the_command_says_what_it_found_and_with_which_code(
    declare: Callable[..., Path],  # noqa: F811
    database: Database,
    corpus: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    declare(collection={**SETTINGS, "source": str(corpus)}, space=SPACE)
    assert run(["verify"]) == 0
    assert "agree" in capsys.readouterr().out
    damage(database, *HEADS["heads_missing"][0])
    assert run(["verify", "notes", "--sample", "5"]) == 5
    shown = capsys.readouterr().out
    assert "heads_missing\tnotes\t2\t0\tgate.md, tides.txt" in shown
    assert "notes: 2 documents are published according to the ledger, but readers do not see them." in shown
    assert run(["verify", "--repair", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["count"], told["repaired"], told["left"]) == ("heads_missing", 2, 2, 0)
    assert run(["verify", "nothing"]) == 2
    assert "holds no collection 'nothing'" in capsys.readouterr().err
