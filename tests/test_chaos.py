"""Killed at random moments, by seed; and a proof that each comparison afterwards notices what it is there for.

`make chaos` runs many more seeds, and `make chaos SEED=17` one again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.chaos import checks
from tests.chaos.crew import survivors
from tests.chaos.endpoint import noting
from tests.chaos.job import Strike
from tests.chaos.questions import describing
from tests.chaos.reader import Reader
from tests.chaos.scenes import Scenes, shared_scenes
from tests.chaos.seeds import Seeds
from tests.chaos.world import World, shared

SEEDS = 6


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest) -> World:
    """The world that these tests share."""
    return shared(request.config)


@pytest.fixture(scope="module")
def scenes(request: pytest.FixtureRequest) -> Scenes:
    """Small beginnings in that world."""
    return shared_scenes(request.config)


@pytest.fixture(scope="module")
def seeds(world: World) -> Seeds:
    """The corpus that the seeds change."""
    return Seeds(world, earnest=0)  # One test below is in earnest.


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_a_refresh_killed_at_a_random_moment_is_made_whole_by_the_next(seeds: Seeds, seed: int) -> None:
    assert seeds.run(seed).verdict.problems == []


def test_a_worker_in_earnest_dies_with_its_whole_family(world: World, scenes: Scenes, tmp_path: Path) -> None:
    scene = scenes.scene("refresh")
    world.server.create("earnest", scene.template)
    strike = Strike("kill", "elements.writing")
    with noting() as endpoint, describing() as llm:
        job = world.job("earnest", scene.source, endpoint, llm, strike=strike, earnest=True)
        worker = world.crew.start(job)
        assert worker.wait() == -9
    kin = [entry.text.split() for entry in worker.journal if entry.kind == "kin"]
    assert len(kin[0]) >= 2, "a fork server and a parser at the least"
    assert survivors(job.temporary) == []
    with world.server.hand("earnest") as hand:
        assert checks.await_backends(hand) == []
    world.server.drop("earnest")


@pytest.mark.parametrize("point", ["documents.written", "vectors.claimed", "publication.committed"])
def test_documents_that_go_back_after_an_interruption_take_the_table_back_with_them(
    world: World, scenes: Scenes, point: str
) -> None:
    scene = scenes.scene("refresh")
    case = replace(scene.case("kill", point), later=(scene.former, scene.before))
    verdict = world.run(case)
    assert verdict.struck
    assert verdict.problems == []


def test_a_publish_in_pieces_is_noticed_by_its_readers(world: World, scenes: Scenes) -> None:
    case = scenes.scene("refresh").case("kill", "publication.heads_removed", sabotage="publishes_piece_by_piece")
    assert any("which no publish ever was" in problem for problem in world.run(case).problems)


def test_a_table_that_differs_from_the_oracle_is_noticed(world: World, scenes: Scenes) -> None:
    scene = scenes.scene("refresh")
    other = replace(scene, oracle="another table")
    problems = world.run(other.case("raise", "publication.gated")).problems
    assert any("where the oracle has another table" in problem for problem in problems)


@pytest.fixture(scope="module")
def healthy(world: World, scenes: Scenes) -> Iterator[psycopg.Connection[Any]]:
    """A database that is as it should be."""
    scenes.scene("refresh")
    world.server.create("healthy", "scene_after")
    with world.server.hand("healthy") as hand:
        yield hand
    world.server.drop("healthy")


def test_a_database_as_it_should_be_has_no_leftovers(healthy: psycopg.Connection[Any], scenes: Scenes) -> None:
    assert checks.leftovers(healthy) == []
    assert checks.differences(checks.content(healthy), scenes.scene("refresh").twin.content) == []


LEFT = {
    "claims": "INSERT INTO corpus.claims SELECT 1, min(text_id), 1, 1 FROM corpus.texts",
    "wanted texts": "INSERT INTO corpus.wanted_texts SELECT 1, min(text_id), 1 FROM corpus.texts",
    "postponed": "INSERT INTO corpus.postponed SELECT document_id, 1, 1 FROM corpus.heads LIMIT 1",
    "invalid indexes": "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'corpus.chunks_by_text'::regclass",
    "advisory locks": "SELECT pg_advisory_xact_lock(1)",
    "temporary tables": "CREATE TEMPORARY TABLE left_behind (number integer)",
    "leases": "UPDATE corpus.leases SET holder = 'somebody'",
    "not converged": "UPDATE corpus.collections SET converged = NULL",
    "neither published": "DELETE FROM corpus.heads WHERE document_id = (SELECT min(document_id) FROM corpus.heads)",
    "still shown": "UPDATE corpus.documents SET vanished_at = now()",
    "differ from the ledger": "UPDATE corpus.heads SET title = 'another'",
}


@pytest.mark.parametrize("what", LEFT)
def test_whatever_is_left_behind_is_noticed(healthy: psycopg.Connection[Any], what: str) -> None:
    with healthy.transaction(force_rollback=True):
        healthy.execute(LEFT[what].encode())
        assert any(what in found for found in checks.leftovers(healthy))


ALTERED = {
    "elements": "UPDATE corpus.elements SET title = 'another'",
    "texts": "INSERT INTO corpus.texts (hash, text, tokens) VALUES (sha256('x'), 'x', 1)",
    "vectors": "DELETE FROM corpus.vectors_small",
    "vector_passes": "DELETE FROM corpus.vector_passes",
    "publishes": "UPDATE corpus.publishes SET counts = '{}'",
    "indexes": "DROP INDEX corpus.vectors_small_hnsw",
    "quarantine": "DELETE FROM corpus.quarantine",
}


@pytest.mark.parametrize("table", ALTERED)
def test_a_table_that_differs_from_an_uninterrupted_twin_is_noticed(
    healthy: psycopg.Connection[Any], scenes: Scenes, table: str
) -> None:
    with healthy.transaction(force_rollback=True):
        healthy.execute(ALTERED[table].encode())
        found = checks.differences(checks.content(healthy), scenes.scene("refresh").twin.content)
    assert [sentence.split()[0] for sentence in found] == [table]


def test_a_backend_that_stays_is_noticed_and_ended(world: World, healthy: psycopg.Connection[Any]) -> None:
    with psycopg.connect(world.server.dsn("healthy"), application_name="suimon") as stays:
        assert "stayed" in checks.await_backends(healthy, seconds=0.05)[0]
        with pytest.raises(psycopg.OperationalError):
            stays.execute("SELECT 1")
    assert checks.await_backends(healthy) == []


def test_an_orphan_is_noticed_and_ended(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    orphan = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], env=environment, stdin=subprocess.PIPE
    )
    with orphan:
        assert survivors(tmp_path, seconds=0.05)[0].startswith(str(orphan.pid))
        assert orphan.wait() == -9


def test_a_reader_goes_on_after_the_death_of_the_server(world: World, scenes: Scenes) -> None:
    scenes.scene("refresh")
    reader = Reader(world.server.create("read", "scene_after"))
    _until(lambda: bool(reader.reads))
    world.server.kill()
    _until(world.server.revive)
    reads = reader.stop()
    assert {read.state for read in reads} == {scenes.scene("refresh").oracle}
    assert reads[-1].began > reads[0].ended
    world.server.drop("read")


def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.005)


def test_reads_of_the_publishes_in_their_order_are_well() -> None:
    assert checks.mixed_reads(["a", "a", "b"], ["a", "b"]) == []
    assert checks.mixed_reads(["b", "b"], ["a", "b"]) == []
    assert checks.mixed_reads(["a", "b", "a"], ["a", "b", "a"]) == []


@pytest.mark.parametrize("states", [["a", "x", "b"], ["a", "b", "a"]])
def test_a_mixed_read_and_a_step_back_are_noticed(states: list[str]) -> None:
    assert len(checks.mixed_reads(states, ["a", "b"])) == 1


def test_a_text_in_flight_may_be_sent_again_and_a_stored_one_may_not() -> None:
    assert checks.paid_again({"a", "b"}, ["b", "c"], {"a"}) == ([], 1)
    assert len(checks.paid_again({"a", "b"}, ["a", "c"], {"a"})[0]) == 1
    assert len(checks.paid_again(set(), ["c", "c"], set())[0]) == 1


def test_more_requests_without_vectors_than_can_be_in_flight_are_noticed() -> None:
    requests = [[str(number)] for number in range(checks.IN_FLIGHT + 1)]
    assert checks.lost_answers(requests, {"0"}) == []
    assert len(checks.lost_answers(requests, set())) == 1
