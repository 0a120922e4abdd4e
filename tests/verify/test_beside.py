"""Comparing and mending beside others: indexes, leftovers, leases, endpoints that are away."""

from __future__ import annotations

from typing import Any

import pytest

import sql
from assets.lease import Lease, acquire
from assets.upkeep import repair
from assets.upkeep.verify import verify
from assets.upkeep.verify_findings import STOPPED
from assets.workbench import Workbench
from resources.postgres import Database
from tests.conftest import rows
from tests.fakes.embedding_server import EmbeddingServer
from tests.test_cli import declare  # noqa: F401  # A fixture.
from tests.verify.damage import (
    CHUNKS,
    HEADS,
    SOME_SET,
    SOME_TEXT,
    VECTORS,
    check,
    contents,
    damage,
    kinds,
    published,
)

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
