"""Drift: damage done behind Suimon's back is found by kind and number, and mended without paying twice."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

import sql
from assets.lease import Lease, acquire
from assets.settings import Collection, Space
from assets.upkeep import repair
from assets.upkeep.verify import _looking, verify
from assets.upkeep.verify_findings import NOTES, STOPPED, Finding
from assets.workbench import Doors, Workbench
from pipelines.cli.main import run
from resources.errors import ConfigurationError, SuimonError
from resources.parser_pool import ParserPool
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer, serve
from tests.test_cli import declare  # noqa: F401  # A fixture.

_numbers = itertools.count()

LONG = "# Manual\n\n" + "\n\n".join(
    f"## Part {number}\n\n"
    + " ".join(f"Sentence {number}-{place} tells of the sluice and of its gate." for place in range(9))
    for number in range(6)
)

DOCUMENTS = {
    "manual.md": LONG,
    "gate.md": "# Gate\n\nThe gate is opened when the water is high.\n\n## Checks\n\nGrease the hinges.\n",
    "tides.txt": "High tide is at six. Low tide is at noon.\n",
    "水門.md": "# 水門\n\n水位が高いときは水門を開ける。点検は毎月行う。\n",
}
SETTINGS: dict[str, Any] = {"chunking": {"max_tokens": 64, "min_tokens": 4}}
SPACE: dict[str, Any] = {"model": "fake", "token_limit": 128, "max_inputs": 16}

PUBLISHED = """
SELECT collection, uri, link, title, heading_path, pages, ordinal, text, html, flags, metadata::text, embedding::text,
published_at, publish, run_id, document_id, span::text, lead, text_id
FROM search.chunks ORDER BY collection, uri, ordinal
"""

SOME_SET = "(SELECT min(h.chunk_set_id) FROM heads h WHERE h.uri = 'manual.md')"
SOME_TEXT = f"(SELECT k.text_id FROM chunks k WHERE k.chunk_set_id = {SOME_SET} AND k.ordinal = 2)"


def damage(database: Database, *statements: str) -> None:
    """Do something behind Suimon's back, past foreign keys, as a superuser may."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("SET search_path = corpus, public")
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            done = connection.execute(statement.encode())
            assert done.rowcount != 0, statement


def published(database: Database) -> list[tuple[Any, ...]]:
    return rows(database, PUBLISHED)


def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the private tables but the ledger of comparisons."""
    names = rows(
        database,
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'corpus'::regnamespace AND c.relkind = 'r' "
        "AND c.relname <> 'verifications' ORDER BY 1",
        role=None,
    )
    return {
        name: rows(database, f'SELECT t.ctid::text, t.xmin::text, t::text FROM corpus."{name}" t ORDER BY 1', role=None)
        for (name,) in names
    }


def check(bench: Workbench, names: list[str] | None = None, *, repair: bool = False, **more: Any) -> list[Finding]:
    return verify(bench, names, repair=repair, run_id=f"verify-{next(_numbers)}", **more)


def kinds(found: list[Finding]) -> dict[str, int]:
    return {item.kind: item.count for item in found}


@pytest.fixture(scope="module")
def published_once(
    postgres: str, template: str, parser_pool: ParserPool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A database with a published collection, and its folder: made once, copied for each test."""
    folder = tmp_path_factory.mktemp("once")
    for name, content in DOCUMENTS.items():
        write(folder, name, content)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE published_once TEMPLATE {}").format(Identifier(template)))
    with serve(EmbeddingServer()) as endpoint:
        bench = Workbench(
            collections={"notes": Collection.model_validate({"source": str(folder), **SETTINGS})},
            spaces={"small": Space.model_validate({"base_url": endpoint.url, **SPACE})},
            root=folder,
            doors=Doors(lambda: postgres.replace("/postgres?", "/published_once?"), lambda: endpoint.url),
            state_folder=tmp_path_factory.mktemp("state"),
        )
        bench.__dict__["parser_pool"] = parser_pool
        refresh(bench)
    yield "published_once", folder
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP DATABASE published_once WITH (FORCE)")


@pytest.fixture
def database(make_database: Callable[..., Database], published_once: tuple[str, Path]) -> Database:
    """A database of the test's own, with what was published."""
    return make_database(published_once[0])


@pytest.fixture
def corpus(published_once: tuple[str, Path], tmp_path: Path) -> Path:
    """The folder of what was published."""
    return Path(shutil.copytree(published_once[1], tmp_path / "corpus"))


@pytest.fixture
def kept(bench: Workbench) -> Workbench:
    """A workbench whose collection is published and whole."""
    return bench


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


HEADS = {
    "heads_missing": (["DELETE FROM heads WHERE uri IN ('gate.md', 'tides.txt')"], 2),
    "heads_extra": (
        [
            (
                "INSERT INTO documents (collection_id, uri, stamp, settled, size, content_hash, format, vanished_at) "
                "SELECT collection_id, 'ghost.md', '', true, 1, content_hash, format, now() FROM documents LIMIT 1"
            ),
            (
                "INSERT INTO heads SELECT d.document_id, h.collection_id, h.collection, h.chunk_set_id, d.uri, h.link, "
                "h.title, h.metadata, h.publish_id FROM heads h, documents d "
                "WHERE h.uri = 'gate.md' AND d.uri = 'ghost.md'"
            ),
        ],
        1,
    ),
    "heads_altered": (
        [
            "UPDATE heads SET title = 'Another' WHERE uri = 'gate.md'",
            "UPDATE heads SET metadata = '{}' WHERE uri = 'tides.txt'",
            f"UPDATE heads SET chunk_set_id = {SOME_SET} WHERE uri = '水門.md'",
        ],
        3,
    ),
    "documents_missing": (["DELETE FROM documents WHERE uri = 'gate.md'"], 1),
}

CHUNKS = {
    "chunks_missing": ([f"DELETE FROM chunks WHERE chunk_set_id = {SOME_SET} AND ordinal = 1"], 1),
    "chunks_extra": (
        [
            (
                "INSERT INTO chunks (chunk_set_id, ordinal, text_id, body_start, span, pages, heading_path) "
                "SELECT chunk_set_id, ordinal + 1, text_id, body_start, span, pages, heading_path FROM chunks "
                f"WHERE chunk_set_id = {SOME_SET} ORDER BY ordinal DESC LIMIT 1"
            )
        ],
        1,
    ),
    "chunks_altered": ([f"UPDATE chunks SET heading_path = '{{Wrong}}' WHERE chunk_set_id = {SOME_SET}"], 1),
    "texts_altered": ([f"UPDATE texts SET text = 'Something else' WHERE text_id = {SOME_TEXT}"], 1),
    "texts_missing": ([f"DELETE FROM texts WHERE text_id = {SOME_TEXT}"], 1),
}

VECTORS = {
    "vectors_missing": ([f"DELETE FROM vectors_small WHERE text_id = {SOME_TEXT}"], 1),
    "vectors_altered": (
        [
            (
                "UPDATE vectors_small SET embedding = (SELECT v.embedding FROM vectors_small v "
                f"WHERE v.text_id <> {SOME_TEXT} LIMIT 1) WHERE text_id = {SOME_TEXT}"
            )
        ],
        1,
    ),
    "vectors_zero": (
        [
            (
                "UPDATE vectors_small SET embedding = array_fill(0, ARRAY[32])::vector, "
                f"digest = vector_digest(array_fill(0, ARRAY[32])::vector) WHERE text_id = {SOME_TEXT}"
            )
        ],
        1,
    ),
}


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


UNUSED_TEXT = (
    "INSERT INTO texts (text_id, hash, text, tokens) OVERRIDING SYSTEM VALUE SELECT 900000, sha256('x'), 'x', 1"
)
UNUSED_VECTOR = (
    "INSERT INTO vectors_small SELECT 900000, embedding, vector_digest(embedding) FROM vectors_small LIMIT 1"
)


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


INDEX = {
    "index_missing": ["DROP INDEX vectors_small_hnsw"],
    "index_invalid": ["UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'vectors_small_hnsw'::regclass"],
    "index_of_wrong_kind": [
        "DROP INDEX vectors_small_hnsw",
        "CREATE INDEX vectors_small_hnsw ON vectors_small USING hnsw (embedding vector_l2_ops)",
    ],
    "vectors_unreachable": [
        "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = 'vectors_small_hnsw'::regclass",
        f"CREATE TABLE kept AS SELECT * FROM vectors_small WHERE text_id = {SOME_TEXT}",
        "DELETE FROM vectors_small WHERE text_id IN (SELECT k.text_id FROM kept k)",
        "INSERT INTO vectors_small SELECT * FROM kept",
        "DROP TABLE kept",
        "UPDATE pg_index SET indisready = true, indisvalid = true WHERE indexrelid = 'vectors_small_hnsw'::regclass",
    ],
}


@pytest.mark.parametrize("kind", INDEX)
def test_an_index_that_does_not_serve_is_built_anew(
    kept: Workbench, database: Database, endpoint: EmbeddingServer, kind: str
) -> None:
    before = published(database)
    damage(database, *INDEX[kind])
    found = check(kept)
    assert [(item.kind, item.collection, item.count) for item in found] == [(kind, None, 1)]
    assert check(kept)[0].count == 1
    assert [(item.kind, item.left) for item in check(kept, repair=True)] == [(kind, 0)]
    assert check(kept) == []
    assert published(database) == before
    assert endpoint.requests == []
    indexes = "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'corpus.vectors_small'::regclass"
    assert {name for (name,) in rows(database, indexes, role="pipeline")} == {
        "vectors_small_pkey",
        "vectors_small_hnsw",
    }


def test_the_sample_is_asked_for_through_the_index_and_is_the_same_for_the_same_run(
    kept: Workbench, database: Database
) -> None:
    with database.connect() as session:
        session.value("verify/load_vector")
        with session.transaction():
            session.value("verify/probe_through_index")
            text = sql.query("verify/find_unreachable")
            statement = session.compose("EXPLAIN " + text[text.index("WITH") :], vectors="vectors_small")
            params = {"seed": 7, "sample": 5, "collection_ids": None}
            plan = "\n".join(line for (line,) in session.connection.execute(statement, params).fetchall())
    assert "Index Scan using vectors_small_hnsw" in plan
    damage(
        database,
        *(statement.replace(f" WHERE text_id = {SOME_TEXT}", "") for statement in INDEX["vectors_unreachable"]),
    )
    first, again, other = (
        verify(kept, None, repair=False, run_id=name, sample=3)[0] for name in ("one", "one", "another")
    )
    assert first.count == 3
    assert first.examples == again.examples != other.examples
    assert check(kept, sample=0) == []


def test_leftovers_of_dead_runs_are_taken_away(kept: Workbench, database: Database, endpoint: EmbeddingServer) -> None:
    damage(
        database,
        f"INSERT INTO claims SELECT s.space_id, {SOME_TEXT}, l.collection_id, l.token FROM spaces s, leases l",
        f"INSERT INTO wanted_texts SELECT collection_id, {SOME_TEXT}, 1 FROM collections",
        "INSERT INTO rate_limits (endpoint) VALUES ('there')",
        "INSERT INTO rate_usage VALUES ('there', now() - interval '2 hours', 1, 1), ('there', now(), 1, 1)",
    )
    assert kinds(check(kept)) == {"claims_unheld": 1, "wishes_fulfilled": 1, "rate_usage_old": 1}
    damage(database, "UPDATE leases SET holder = 'someone', expires_at = now() + interval '1 minute'")
    assert kinds(check(kept)) == {"rate_usage_old": 1}
    damage(database, "UPDATE leases SET holder = '', expires_at = '-infinity'")
    assert all(item.left == 0 for item in check(kept, repair=True))
    assert check(kept) == []
    assert rows(database, "SELECT count(*) FROM corpus.rate_usage", role=None) == [(1,)]
    assert endpoint.requests == []


def test_a_comparison_takes_no_lease_and_a_repair_waits_for_it(kept: Workbench, database: Database) -> None:
    kept.lease_wait_seconds = 0.1
    damage(database, *HEADS["heads_missing"][0])
    damage(database, "UPDATE leases SET holder = 'another', expires_at = now() + interval '1 minute'")
    assert kinds(check(kept)) == {"heads_missing": 2}
    damaged = contents(database)
    found = check(kept, repair=True)
    assert [(item.kind, item.left) for item in found] == [("heads_missing", 2), (STOPPED, 1)]
    assert "another is refreshing this collection" in found[1].sentence
    assert contents(database) == damaged


def test_a_repair_that_lost_its_lease_writes_nothing(
    kept: Workbench, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(database, *HEADS["heads_missing"][0])

    def lose(*arguments: Any, **named: Any) -> Lease:
        lease = acquire(*arguments, **named)
        damage(database, "UPDATE leases SET holder = 'thief', token = token + 1")
        return lease

    monkeypatch.setattr(repair, "acquire", lose)
    found = check(kept, repair=True)
    assert [(item.kind, item.left) for item in found] == [("heads_missing", 2), (STOPPED, 1)]
    assert "lost the collection" in found[1].sentence


def test_an_endpoint_that_is_away_leaves_the_rest_for_the_next_repair(
    kept: Workbench, database: Database, endpoint: EmbeddingServer
) -> None:
    before = published(database)
    other = f"(SELECT k.text_id FROM chunks k WHERE k.chunk_set_id = {SOME_SET} AND k.ordinal = 3)"
    damage(database, *VECTORS["vectors_altered"][0], *HEADS["heads_missing"][0])
    damage(database, f"DELETE FROM vectors_small WHERE text_id = {other}")
    endpoint.script = [(401, {}, {"error": {"message": "no"}})] * 9
    found = check(kept, repair=True, sample=0)
    assert {item.kind: (item.count, item.left) for item in found} == {
        "heads_missing": (2, 0), "vectors_altered": (1, 0), "vectors_missing": (2, 2), STOPPED: (1, 1),
    }  # fmt: skip
    # Readers miss them, so they count as retired; the audit must look at what comes in their place.
    assert rows(database, "SELECT retired FROM corpus.spaces", role=None) == [(1,)]
    passes = f"SELECT count(*) FROM vector_passes WHERE text_id IN ({SOME_TEXT}, {other})"
    assert rows(database, passes, role="pipeline") == [(0,)]
    assert rows(database, "SELECT count(*) FROM corpus.leases WHERE expires_at > now()", role=None) == [(0,)]
    damage(database, "UPDATE leases SET holder = 'refresh', expires_at = now() + interval '1 minute'")
    assert check(kept) == []  # Somebody is at it.
    damage(database, "UPDATE leases SET holder = '', expires_at = '-infinity'")
    endpoint.script = []
    endpoint.forget()
    assert [(item.kind, item.left) for item in check(kept, repair=True)] == [("vectors_missing", 0)]
    assert len(endpoint.texts) == 2
    assert published(database) == before


def test_a_lost_text_gets_its_number_back_only_where_its_chunk_is_in_its_place(
    kept: Workbench, database: Database, endpoint: EmbeddingServer
) -> None:
    before = published(database)
    place = f"UPDATE chunks SET ordinal = {{}} WHERE chunk_set_id = {SOME_SET} AND ordinal = {{}}"
    damage(
        database,
        f"DELETE FROM texts WHERE text_id IN (SELECT k.text_id FROM chunks k WHERE k.chunk_set_id = {SOME_SET} "
        "AND k.ordinal IN (2, 3))",
        *(place.format(new, old) for new, old in ((100, 2), (2, 3), (3, 100))),
    )
    assert kinds(check(kept)) == {"texts_missing": 2}
    assert all(item.left == 0 for item in check(kept, repair=True))
    assert [row[:-1] for row in published(database)] == [row[:-1] for row in before]  # All but the texts' numbers.
    assert len(endpoint.texts) == 2


def test_a_collection_that_is_no_longer_declared_is_compared_and_mended_as_far_as_that_goes(
    kept: Workbench, database: Database
) -> None:
    before = published(database)
    kept.collections = {}
    assert check(kept) == []
    damage(database, *HEADS["heads_missing"][0])
    assert [item.left for item in check(kept, repair=True)] == [0]
    assert published(database) == before
    damage(database, *CHUNKS["chunks_missing"][0])
    found = check(kept, repair=True)
    assert [(item.kind, item.left) for item in found] == [("chunks_missing", 1), (STOPPED, 1)]
    assert "not declared" in found[1].sentence


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
