"""Garbage collection: exactly what nothing reaches goes, and what may be brought back is kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.lease import acquire
from assets.publication.rollback import rollback
from assets.upkeep.sweep import alone, foresee
from assets.workbench import Workbench
from resources.errors import ConfigurationError, TransientError
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer
from tests.sweeping import (
    FREELY,
    age,
    at,
    collect,
    do,
    edit,
    hooked,
    kept_publishes,
    published,
    reachable,
    states,
    stored,
    strike,
    unmeasured,
)
from tests.test_mail import mail

assert unmeasured

MakeBench = Callable[..., Workbench]


@pytest.mark.parametrize(("seed", "batch", "publishes"), [(1, 3, 1), (3, 1, 2)])
def test_after_random_churn_exactly_what_is_reachable_is_left(
    make_bench: MakeBench, database: Database, corpus: Path, endpoint: EmbeddingServer, seed: int, batch: int,
    publishes: int,
) -> None:  # fmt: skip
    rng = random.Random(seed)
    bench = make_bench(limits=FREELY)
    for step in range(5):
        edit(corpus, rng, step)
        refresh(bench)
    before, history = published(database), states(database)
    kept = kept_publishes(database, publishes)
    expected = reachable(database, kept)
    foreseen = foresee(bench, keep_days=0, keep_publishes=publishes)
    report = collect(bench, publishes=publishes, batch=batch)
    assert stored(database) == expected
    assert published(database) == before
    assert report.removed["texts"] > 0
    assert report.removed["publish_changes"] > 0
    assert foreseen.removed == report.removed
    assert foreseen.collected == report.collected == len(history) - len(kept)
    still = states(database)
    assert {publish: still[publish] for publish in kept} == {publish: history[publish] for publish in kept}
    collected = {p for (p,) in do(database, "SELECT publish_id FROM publishes WHERE collected_at IS NOT null")}
    assert collected == set(history) - kept
    again = collect(bench, publishes=publishes, batch=batch)
    assert set(again.removed.values()) == {0}
    assert again.collected == 0
    endpoint.forget()
    summary = refresh(bench)
    assert not summary.changed
    assert endpoint.texts == []


def test_every_kept_publish_can_be_brought_back_after_a_sweep(
    make_bench: MakeBench, database: Database, corpus: Path, endpoint: EmbeddingServer
) -> None:
    rng = random.Random(5)
    bench = make_bench(limits=FREELY)
    seen = []
    for step in range(4):
        edit(corpus, rng, step)
        refresh(bench)
        seen.append(rows(database, "SELECT uri, ordinal, text, embedding FROM search.chunks ORDER BY 1, 2"))
    collect(bench, publishes=3)
    endpoint.forget()
    for number in (2, 3, 4):
        rollback(bench, "notes", number, by="somebody", run_id=f"back to {number}")
        now = rows(database, "SELECT uri, ordinal, text, embedding FROM search.chunks ORDER BY 1, 2")
        assert now == seen[number - 1]
    with pytest.raises(ConfigurationError, match="Publish 1 of notes was collected"):
        rollback(bench, "notes", 1, by="somebody", run_id="back to 1")
    assert endpoint.texts == []


def test_publishes_of_the_last_days_are_kept_however_many(bench: Workbench, database: Database, corpus: Path) -> None:
    for number in range(4):
        write(corpus, "tides.txt", f"High tide is at {number}.\n")
        refresh(bench)
    assert collect(bench, days=7, publishes=1).collected == 0
    age(database, 8)
    assert collect(bench, days=7, publishes=2).collected == 2


def test_a_pinned_publish_is_kept_however_old(bench: Workbench, database: Database, corpus: Path) -> None:
    for number in range(4):
        write(corpus, "tides.txt", f"High tide is at {number}.\n")
        refresh(bench)
    rollback(bench, "notes", 2, by="somebody", run_id="back")
    age(database, 100)
    assert collect(bench, days=7, publishes=1).collected == 1
    assert do(database, "SELECT number FROM publishes WHERE collected_at IS NOT null") == [(1,)]
    rollback(bench, "notes", 3, by="somebody", run_id="forward")
    assert rows(database, "SELECT text FROM search.chunks WHERE uri = 'tides.txt'") == [("High tide is at 2.",)]


def test_a_document_that_came_and_went_is_not_brought_back_by_a_sweep_that_was_killed(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    bench = make_bench(limits=FREELY)
    refresh(bench)
    (corpus / "tides.txt").unlink()
    refresh(bench)
    write(corpus, "gate.md", "# Gate\n\nAnother text.\n")
    refresh(bench)
    newest = max(states(database))
    expected = states(database)[newest]

    def compare() -> None:
        assert states(database)[newest] == expected

    with hooked(at("sweep.removed", compare)):
        collect(bench, batch=1)
    assert do(database, "SELECT count(*) FROM documents WHERE uri = 'tides.txt'") == [(0,)]


def test_what_is_prepared_and_not_published_yet_is_kept(
    bench: Workbench, database: Database, corpus: Path, endpoint: EmbeddingServer
) -> None:
    refresh(bench)
    write(corpus, "new.md", "# New\n\nA passage that waits to be published.\n")
    with hooked(at("publication.gated", strike)), pytest.raises(RuntimeError):
        refresh(bench)
    collect(bench)
    endpoint.forget()
    refresh(bench)
    assert rows(database, "SELECT count(*) FROM search.chunks WHERE uri = 'new.md'") == [(1,)]
    assert endpoint.texts == []


def test_attachments_go_with_their_mail_in_batches_of_one(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    inner = mail("Inner", "The inner mail.", ("deep.md", b"# Deep\n\nThe note inside."))
    outer = mail("Outer", "The outer mail.")
    outer.add_attachment(inner, filename="inner.eml")
    write(corpus, "a.eml", outer.as_bytes())
    bench = make_bench(limits=FREELY)
    refresh(bench)
    (corpus / "a.eml").unlink()
    refresh(bench)
    assert collect(bench, batch=1).removed["documents"] == 3
    assert do(database, "SELECT count(*) FROM documents") == [(3,)]


def test_a_text_that_is_wanted_again_is_kept(bench: Workbench, database: Database, corpus: Path) -> None:
    refresh(bench)
    (text_id,) = do(database, "SELECT text_id FROM texts WHERE text LIKE '%%High tide%%'")[0]
    write(corpus, "tides.txt", "No tide.\n")
    refresh(bench)
    do(database, "INSERT INTO wanted_texts SELECT collection_id, %s, 1 FROM collections", text_id)
    assert collect(bench).removed["texts"] == 0
    do(database, "DELETE FROM wanted_texts")
    assert collect(bench).removed["texts"] == 1


def test_claims_of_a_dead_refresh_and_old_usage_go_and_those_of_a_living_one_stay(
    bench: Workbench, database: Database
) -> None:
    refresh(bench)
    with database.connect() as session:
        (collection_id,) = session.connection.execute("SELECT collection_id FROM collections").fetchone() or (0,)
        lease = acquire(database, session, collection_id, "alive", seconds=30, wait=0)
    claim = "INSERT INTO claims SELECT 1, text_id, %s, %s FROM texts ORDER BY text_id LIMIT 1 OFFSET %s"
    do(database, claim, collection_id, lease.token, 0)
    do(database, claim, collection_id, lease.token - 1, 1)
    do(database, "INSERT INTO rate_limits (endpoint) VALUES ('host')")
    for ago in ("2 hours", "1 minute"):
        do(database, "INSERT INTO rate_usage VALUES ('host', now() - %s::text::interval, 1, 1)", ago)
    assert foresee(bench, keep_days=0, keep_publishes=1).removed["claims"] == 1
    removed = collect(bench).removed
    assert (removed["claims"], removed["rate_usage"]) == (1, 1)
    assert do(database, "SELECT token FROM claims") == [(lease.token,)]
    lease.release()


def test_a_second_sweep_at_once_ends_with_a_sentence(bench: Workbench, database: Database) -> None:
    refresh(bench)
    with database.connect() as session, alone(session), pytest.raises(TransientError, match="is running") as raised:
        collect(bench)
    assert raised.value.exit_code == 4
    collect(bench)


def test_a_sweep_is_written_down_with_the_space_before_and_after(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    refresh(bench)
    write(corpus, "tides.txt", "No tide.\n")
    refresh(bench)
    report = collect(bench)
    line = do(database, "SELECT run_id, removed, bytes_before, bytes_after FROM sweeps")
    assert line == [("sweep", report.removed, report.bytes_before, report.bytes_after)]
    assert report.bytes_before > 0
    assert report.rows["texts"] == do(database, "SELECT count(*) FROM texts")[0][0]
