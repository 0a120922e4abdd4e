"""Garbage collection beside refreshes: what becomes reachable is kept, and who is killed is finished later."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from assets.refresh import end_refresh, open_refresh
from assets.upkeep import reach
from assets.upkeep.sweep import SweepReport, foresee
from assets.workbench import Workbench
from resources.errors import TransientError
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.sweeping import (
    FREELY,
    age,
    at,
    collect,
    do,
    edit,
    hooked,
    kept_publishes,
    leave_garbage,
    published,
    reachable,
    stored,
    unmeasured,
)

assert unmeasured

MakeBench = Callable[..., Workbench]


def run_beside(work: Callable[[], object]) -> threading.Thread:
    """Start something in a thread that has to end by itself."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Poll until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def waits_for_lease_lock(database: Database) -> bool:
    """Say whether somebody waits for the table of leases."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'corpus.leases'::regclass"
    return bool(rows(database, query, None)[0][0])


def test_a_sweep_waits_for_a_refresh_that_is_bringing_old_content_back(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    old = leave_garbage(bench, corpus)
    swept: list[SweepReport] = []
    with open_refresh(bench, "notes", "bringing back") as refreshing:
        with refreshing.writing():
            refreshing.session.connection.execute(
                "UPDATE documents SET content_hash = %s WHERE uri = 'tides.txt'", [hashlib.sha256(old).digest()]
            )
            age(database, 100)
            sweeping = run_beside(lambda: swept.append(collect(bench)))
            wait_until(lambda: waits_for_lease_lock(database) or not sweeping.is_alive())
        sweeping.join(20)
    end_refresh(bench, "notes", "done")
    assert swept[0].removed["texts"] == 0
    assert do(database, "SELECT count(*) FROM targets WHERE chunk_set_id IS null") == [(0,)]


def test_what_becomes_reachable_after_it_was_chosen_is_kept(bench: Workbench, database: Database, corpus: Path) -> None:
    old = leave_garbage(bench, corpus)
    digest = hashlib.sha256(old).digest()

    def bring_back() -> None:
        do(database, "UPDATE documents SET content_hash = %s WHERE uri = 'tides.txt'", digest)

    with hooked(at("sweep.chosen", bring_back)):
        removed = collect(bench).removed
    assert (removed["chunk_sets"], removed["elements"], removed["texts"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        ("texts", "INSERT INTO wanted_texts SELECT 1, text_id, 1 FROM texts ON CONFLICT DO NOTHING"),
        ("documents", "UPDATE documents SET vanished_at = null"),
    ],
)
def test_rows_that_are_wanted_after_they_were_found_are_kept(
    make_bench: MakeBench, database: Database, corpus: Path, kind: str, want: str
) -> None:
    bench = make_bench(limits=FREELY)
    refresh(bench)
    for name in ("gate.md", "tides.txt"):
        (corpus / name).unlink()
    refresh(bench)
    found = foresee(bench, keep_days=0, keep_publishes=1).removed[kind]

    def interfere() -> None:  # When the first row of this kind has gone, and the others are about to.
        left = do(database, "SELECT count(*) FROM garbage(null, null) WHERE kind = %s", kind)[0][0]
        if left == found - 1:
            do(database, want)

    with hooked(at("sweep.removed", interfere)):
        removed = collect(bench, batch=1).removed
    assert found > 1
    assert removed[kind] == 1


def test_a_parse_that_is_wanted_after_it_was_chosen_is_kept(bench: Workbench, database: Database, corpus: Path) -> None:
    old = hashlib.sha256(leave_garbage(bench, corpus)).digest()
    do(database, "DELETE FROM publish_changes WHERE chunk_set_id NOT IN (SELECT chunk_set_id FROM heads)")
    do(database, "DELETE FROM chunk_sets WHERE chunk_set_id NOT IN (SELECT chunk_set_id FROM heads)")

    def bring_back() -> None:
        do(database, "UPDATE documents SET content_hash = %s WHERE uri = 'tides.txt'", old)

    with hooked(at("sweep.chosen", bring_back)):
        assert collect(bench).removed["elements"] == 0


def test_no_text_goes_that_a_chunk_is_about_to_name_and_nobody_deadlocks(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    leave_garbage(bench, corpus)
    do(database, "DELETE FROM publish_changes WHERE chunk_set_id NOT IN (SELECT chunk_set_id FROM heads)")
    do(database, "DELETE FROM chunk_sets WHERE chunk_set_id NOT IN (SELECT chunk_set_id FROM heads)")
    texts = do(database, "SELECT t.text_id, t.hash FROM texts AS t WHERE t.text LIKE '%%High tide%%'")
    assert len(texts) == 1
    # As the chunks stage does, without the lease that would keep a sweep waiting.
    with database.connect() as session, session.transaction():
        assert session.execute("chunks/hold_texts", {"digests": [texts[0][1]]}) == 1
        sweeping: list[SweepReport] = []
        thread = run_beside(lambda: sweeping.append(collect(bench)))
        thread.join(20)
        assert not thread.is_alive(), "the sweep waited for the refresh"
        session.connection.execute(
            "INSERT INTO chunks (chunk_set_id, ordinal, text_id, body_start, span, pages, heading_path) "
            "SELECT chunk_set_id, 99, %s, 0, '[0,1)', '{}', '{}' FROM heads LIMIT 1",
            [texts[0][0]],
        )
    assert sweeping[0].removed["texts"] == 0
    assert collect(bench).removed["texts"] == 0
    assert do(database, "SELECT count(*) FROM vectors_small WHERE text_id = %s", texts[0][0]) == [(1,)]


def test_a_chunks_stage_that_finds_its_text_going_stores_it_again(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    old = leave_garbage(bench, corpus)
    reached, go_on = threading.Event(), threading.Event()

    def pause(name: str) -> None:
        if name == "sweep.removing" and threading.current_thread() is not threading.main_thread():
            reached.set()
            go_on.wait(20)

    write(corpus, "tides.txt", old)
    with hooked(pause):
        sweeping = run_beside(lambda: collect(bench, batch=1))
        assert reached.wait(20)
        refreshing: list[object] = []
        thread = run_beside(lambda: refreshing.append(refresh(bench)))
        wait_until(lambda: waits_for_lease_lock(database) or bool(refreshing))
        go_on.set()
        for beside in (thread, sweeping):
            beside.join(30)
            assert not beside.is_alive()
    assert len(refreshing) == 1
    assert rows(database, "SELECT text FROM search.chunks WHERE uri = 'tides.txt'") == [
        ("High tide is at six. Low tide is at noon.",)
    ]
    collect(bench)
    assert not refresh(bench).changed


def test_a_sweep_that_is_interrupted_anywhere_is_finished_by_the_next(
    make_bench: MakeBench, database: Database, corpus: Path
) -> None:
    bench = make_bench(limits=FREELY)
    rng = random.Random(9)
    for step in range(3):
        edit(corpus, rng, step)
        refresh(bench)
    before = published(database)
    expected = reachable(database, kept_publishes(database, 1))
    struck: set[str] = set()

    def strike_once_each(name: str) -> None:
        if name.startswith("sweep.") and name not in struck:
            struck.add(name)
            raise RuntimeError(name)

    with hooked(strike_once_each):
        for _ in range(20):
            try:
                collect(bench, batch=3)
            except RuntimeError:
                assert published(database) == before
            else:
                break
    assert {"sweep.decided", "sweep.chosen", "sweep.removing", "sweep.removed", "sweep.recorded"} <= struck
    assert stored(database) == expected
    assert published(database) == before


def test_a_sweep_gives_up_when_refreshes_leave_no_gap(
    bench: Workbench, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(bench)
    monkeypatch.setattr(reach, "PATIENCE_SECONDS", 0.0)
    with psycopg.connect(database.dsn) as writing:
        writing.execute("UPDATE corpus.leases SET holder = holder")
        with pytest.raises(TransientError, match="without a pause"):
            collect(bench)
