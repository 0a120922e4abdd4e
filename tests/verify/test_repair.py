"""Mending: what is still known costs nothing, what is lost is made anew, and nothing else is touched."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.upkeep.verify_findings import STOPPED
from assets.workbench import Workbench
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer
from tests.test_cli import declare  # noqa: F401  # A fixture.
from tests.verify.damage import (
    CHUNKS,
    DOCUMENTS,
    HEADS,
    SOME_SET,
    SOME_TEXT,
    UNUSED_TEXT,
    UNUSED_VECTOR,
    VECTORS,
    check,
    contents,
    damage,
    kinds,
    published,
)


@pytest.mark.parametrize("kind", [*HEADS, *CHUNKS])
def test_what_is_still_known_is_mended_without_embedding(
    kept: Workbench, database: Database, endpoint: EmbeddingServer, kind: str
) -> None:
    before = published(database)
    statements, count = (HEADS | CHUNKS)[kind]
    damage(database, *statements)
    damaged = contents(database)
    assert published(database) != before or kind == "documents_missing"
    assert kinds(check(kept)) == {kind: count}
    assert contents(database) == damaged
    mended = check(kept, repair=True)
    assert [(item.kind, item.count, item.repaired, item.left) for item in mended] == [(kind, count, count, 0)]
    assert published(database) == before
    assert check(kept) == []
    if kind in HEADS:
        refresh(kept)
        assert published(database) == before
    assert endpoint.requests == []


@pytest.mark.parametrize("kind", VECTORS)
def test_exactly_the_vectors_that_are_lost_are_embedded_again(
    kept: Workbench, database: Database, endpoint: EmbeddingServer, kind: str
) -> None:
    before = published(database)
    lost = rows(database, f"SELECT text FROM texts WHERE text_id = {SOME_TEXT}", role="pipeline")
    statements, count = VECTORS[kind]
    damage(database, *statements)
    damaged = contents(database)
    found = check(kept, sample=0)
    assert kinds(found) == {kind: count}
    assert found[0].examples == ("manual.md",)
    assert contents(database) == damaged
    assert check(kept, repair=True, sample=0)[0].left == 0
    assert published(database) == before
    assert endpoint.texts == [text for (text,) in lost]
    assert check(kept) == []
    assert rows(database, "SELECT count(*) FROM corpus.wanted_texts", role=None) == [(0,)]
    passes = f"SELECT count(*) FROM vector_passes WHERE text_id = {SOME_TEXT}"
    assert rows(database, passes, role="pipeline") == [(1,)]
    endpoint.forget()
    refresh(kept)
    assert endpoint.requests == []
    assert published(database) == before


def test_an_altered_text_that_two_collections_share_is_embedded_once(
    make_bench: Callable[..., Workbench], database: Database, endpoint: EmbeddingServer, corpus: Path
) -> None:
    bench = make_bench()
    bench.collections = {**bench.collections, "copies": bench.collections["notes"]}
    refresh(bench, "copies")
    endpoint.forget()
    before = published(database)
    damage(database, *VECTORS["vectors_altered"][0])
    assert [(item.kind, item.collection) for item in check(bench, sample=0)] == [
        ("vectors_altered", "copies"),
        ("vectors_altered", "notes"),
    ]
    assert [item.left for item in check(bench, repair=True, sample=0)] == [0, 0]
    assert published(database) == before
    assert len(endpoint.texts) == 1
    assert check(bench) == []


def test_what_the_endpoint_refused_and_what_nothing_shows_is_no_damage(kept: Workbench, database: Database) -> None:
    damage(
        database,
        "INSERT INTO text_failures (space_id, text_id, reason, detail) "
        f"SELECT space_id, {SOME_TEXT}, 'endpoint_refused', 'HTTP 400' FROM spaces",
        f"DELETE FROM vectors_small WHERE text_id = {SOME_TEXT}",
    )
    assert check(kept) == []
    damage(database, UNUSED_TEXT, UNUSED_VECTOR, "DELETE FROM vectors_small WHERE text_id = 900000")
    assert check(kept) == []


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (f"UPDATE chunk_sets SET digest = '\\x00' WHERE chunk_set_id = {SOME_SET}", "chunks_altered"),
        (f"UPDATE texts SET hash = sha256('other') WHERE text_id = {SOME_TEXT}", "texts_altered"),
        (f"DELETE FROM chunks WHERE chunk_set_id = {SOME_SET}", "chunks_missing"),
        (
            (
                f"DELETE FROM chunks WHERE chunk_set_id = {SOME_SET} AND ordinal = "
                f"(SELECT max(k.ordinal) FROM chunks k WHERE k.chunk_set_id = {SOME_SET})"
            ),
            "chunks_missing",
        ),
        (
            (
                f"UPDATE chunks SET text_id = (SELECT max(x.text_id) FROM texts x) WHERE chunk_set_id = {SOME_SET} "
                "AND ordinal = 1"
            ),
            "chunks_altered",
        ),
    ],
    ids=["digest", "hash", "all chunks", "the last chunk", "another text"],
)
def test_it_does_not_matter_which_side_of_a_comparison_was_altered(
    kept: Workbench, database: Database, endpoint: EmbeddingServer, statement: str, kind: str
) -> None:
    before = published(database)
    damage(database, statement)
    assert kinds(check(kept)) == {kind: 1}
    assert check(kept, repair=True)[0].left == 0
    assert published(database) == before
    assert check(kept) == []
    assert endpoint.requests == []


def test_what_cannot_be_proved_is_not_written_but_made_anew_from_the_source(
    kept: Workbench, database: Database, endpoint: EmbeddingServer
) -> None:
    before = published(database)
    damage(
        database,
        "UPDATE elements SET text = replace(text, 'sluice', 'slower') WHERE text LIKE '%Sentence%'",
        f"UPDATE chunks SET heading_path = '{{Wrong}}' WHERE chunk_set_id = {SOME_SET} AND ordinal = 1",
    )
    damaged = published(database)
    found = check(kept, repair=True)
    assert [(item.kind, item.left) for item in found] == [("chunks_altered", 1), (STOPPED, 1)]
    assert published(database) == damaged
    assert [item.kind for item in check(kept)] == ["chunks_altered"]
    refresh(kept)
    assert check(kept) == []
    lineage = {12, 13, 14}  # When, by which publish, by which run.
    assert [[cell for place, cell in enumerate(row) if place not in lineage] for row in published(database)] == [
        [cell for place, cell in enumerate(row) if place not in lineage] for row in before
    ]
    assert endpoint.requests == []


def test_documents_that_add_up_to_nothing_are_looked_at_again(
    kept: Workbench, database: Database, endpoint: EmbeddingServer
) -> None:
    lost = "SELECT document_id FROM documents WHERE uri = 'gate.md'"
    damage(
        database,
        f"DELETE FROM heads WHERE document_id = ({lost})",
        f"DELETE FROM publish_changes WHERE document_id = ({lost})",
        "UPDATE documents SET vanished_at = now() WHERE uri = 'tides.txt'",
    )
    found = check(kept)
    assert kinds(found) == {"documents_unaccounted": 2}
    assert found[0].examples == ("gate.md", "tides.txt")
    assert check(kept, repair=True)[0].left == 0
    refresh(kept)
    assert {uri for (uri,) in rows(database, "SELECT uri FROM search.documents")} == set(DOCUMENTS)
    assert check(kept) == []
    assert endpoint.requests == []


@pytest.mark.parametrize("lost", ["everything", "most"])
def test_a_ledger_that_lost_its_lines_does_not_empty_the_table(
    kept: Workbench, database: Database, corpus: Path, lost: str
) -> None:
    if lost == "most":
        for number in range(4):
            write(corpus, f"more{number}.txt", f"Number {number} of several.\n")
        refresh(kept)
    before = published(database)
    spared = "(SELECT d.document_id FROM documents d WHERE d.uri LIKE 'more%')" if lost == "most" else "(0)"
    damage(database, f"DELETE FROM publish_changes WHERE document_id NOT IN {spared}")
    found = check(kept, repair=True)
    assert [(item.kind, item.count, item.left) for item in found] == [("heads_extra", 4, 4), (STOPPED, 1, 1)]
    assert "had lost lines" in found[1].sentence
    assert published(database) == before


@pytest.mark.parametrize("seed", range(3))
def test_several_damages_at_once_are_all_mended(
    kept: Workbench, database: Database, endpoint: EmbeddingServer, seed: int
) -> None:
    chance = random.Random(seed)
    before = published(database)
    texts = "SELECT k.text_id FROM chunks k JOIN heads h USING (chunk_set_id)"
    pick = "ORDER BY md5({0}::text || '{1}') LIMIT {2}"
    some = f"(SELECT x.text_id FROM ({texts}) x {pick.format('x.text_id', seed, 3)})"
    menu = [
        f"DELETE FROM heads WHERE document_id IN (SELECT h.document_id FROM heads h {pick.format('h.uri', seed, 2)})",
        "UPDATE heads SET title = title || '!', link = 'x'",
        (
            f"DELETE FROM chunks WHERE (chunk_set_id, ordinal) IN (SELECT k.chunk_set_id, k.ordinal FROM chunks k "
            f"{pick.format('k', seed, 4)})"
        ),
        f"UPDATE chunks SET ordinal = ordinal + 100 WHERE chunk_set_id = {SOME_SET} AND ordinal > {seed}",
        "UPDATE chunks SET pages = '{9}', flags = '{hidden}' WHERE ordinal = 1",
        f"UPDATE texts SET text = 'altered ' || text WHERE text_id IN {some}",
        f"UPDATE texts SET hash = sha256(hash) WHERE text_id IN {some}",
        f"DELETE FROM vectors_small WHERE text_id IN {some}",
        (
            f"UPDATE vectors_small SET embedding = embedding * ('[' || repeat('-1,', 31) || '-1]')::vector "
            f"WHERE text_id IN {some}"
        ),
        "DROP INDEX vectors_small_hnsw",
        "DELETE FROM documents WHERE uri = 'tides.txt'",
    ]
    chosen = chance.sample(menu, 4)
    damage(database, *chosen)
    assert check(kept)
    found = check(kept, repair=True)
    assert [item for item in found if item.left] == [], chosen
    assert published(database) == before, chosen
    assert check(kept) == []
    assert len(endpoint.texts) == len(set(endpoint.texts)) <= (3 if {menu[7], menu[8]} & set(chosen) else 0), chosen
