"""Garbage collection: exactly what nothing reaches goes, beside refreshes, and killed anywhere it is finished later."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from assets.lease import acquire
from assets.publication.rollback import rollback
from assets.refresh import end_refresh, open_refresh
from assets.upkeep import reach
from assets.upkeep.sweep import SweepReport, alone, foresee, sweep
from assets.workbench import Workbench
from resources import failpoints
from resources.errors import ConfigurationError, TransientError
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer
from tests.test_mail import mail

MakeBench = Callable[..., Workbench]

FREELY = {"vanished_share": 1}
WORDS = ["gate", "water", "hinge", "tide", "pump", "siren", "valve", "水門", "点検", "水位", "bank", "reed"]


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every audit pass unmeasured: these tests refresh often, and ask nothing of Great Expectations."""
    monkeypatch.setattr("assets.auditing.expectations.measure", lambda *_: {})


def collect(bench: Workbench, *, days: int = 0, publishes: int = 1, batch: int = 5000) -> SweepReport:
    """Sweep as a run of its own."""
    return sweep(bench, run_id="sweep", keep_days=days, keep_publishes=publishes, batch=batch)


def do(database: Database, statement: str, *params: Any) -> list[tuple[Any, ...]]:
    """Run a statement behind Suimon's back; returns its rows, if it has any."""
    with database.connect(role="owner") as session:
        cursor = session.connection.execute(statement.encode(), params or None)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def hooked(hook: Callable[[str], None]) -> Iterator[None]:
    """Hear of every failpoint."""
    failpoints.install(hook)
    try:
        yield
    finally:
        failpoints.install(None)


def at(point: str, work: Callable[[], object]) -> Callable[[str], None]:
    """Do something whenever a failpoint is reached."""

    def hook(name: str) -> None:
        if name == point:
            work()

    return hook


def strike() -> None:
    """Fail."""
    raise RuntimeError("struck")


def edit(folder: Path, rng: random.Random, step: int) -> None:
    """Add, change, copy, rename, remove or bring back some documents."""
    for _ in range(3):
        present = sorted(folder.glob("*.md"))
        kind = rng.choice(["add", "add", "edit", "copy", "rename", "remove", "revert"])
        if kind == "add" or len(present) < 3:
            write(folder, f"d{step}_{rng.randrange(1000)}.md", prose(rng))
        elif kind == "edit":
            write(folder, rng.choice(present).name, prose(rng))
        elif kind == "copy":
            write(folder, f"c{step}_{rng.randrange(1000)}.md", rng.choice(present).read_text())
        elif kind == "rename":
            rng.choice(present).rename(folder / f"r{step}_{rng.randrange(1000)}.md")
        elif kind == "remove":
            rng.choice(present).unlink()
        else:
            write(folder, rng.choice(present).name, "# Old\n\nThe same words come back again and again.\n")


def prose(rng: random.Random) -> str:
    """Write a document of a few sections, some of which others have too."""
    sections = [f"## Part {n}\n\n{' '.join(rng.choice(WORDS) for _ in range(25))}." for n in range(rng.randint(1, 3))]
    shared = f"## Shared\n\nThe common passage number {rng.randrange(3)} stands in many documents of this folder."
    return "# Title\n\n" + "\n\n".join([*sections, shared]) + "\n"


def published(database: Database) -> list[tuple[Any, ...]]:
    """Return all that readers see."""
    return rows(database, "SELECT * FROM search.chunks ORDER BY uri, ordinal")


State = dict[int, int]
"""Which chunk set each document showed."""


def states(database: Database) -> dict[int, State]:
    """Replay the ledger: what readers saw after each publish, by its number in the database."""
    moved = do(
        database,
        "SELECT p.collection_id, p.publish_id, c.document_id, c.chunk_set_id FROM publishes AS p "
        "LEFT JOIN publish_changes AS c ON p.publish_id = c.publish_id ORDER BY p.publish_id",
    )
    now: dict[int, State] = {}
    found: dict[int, State] = {}
    for collection, publish, document, chunk_set in moved:
        state = now.setdefault(collection, {})
        if document is not None and chunk_set is not None:
            state[document] = chunk_set
        elif document is not None:
            state.pop(document, None)
        found[publish] = dict(state)
    return found


def kept_publishes(database: Database, publishes: int) -> set[int]:
    """Which publishes ought to be kept where only the newest ones and a pinned one count, and all between."""
    kept: set[int] = set()
    for collection, pinned in do(database, "SELECT collection_id, pinned_to FROM collections"):
        found = do(
            database, "SELECT publish_id, number FROM publishes WHERE collection_id = %s ORDER BY 2 DESC", collection
        )
        wanted = [publish for place, (publish, number) in enumerate(found) if place < publishes or number == pinned]
        kept |= {publish for publish, _ in found if wanted and publish >= min(wanted)}
    return kept


def reachable(database: Database, kept: set[int]) -> dict[str, set[Any]]:
    """What a sweep has to leave, worked out row by row from the tables as they are before it."""
    shown = states(database)
    heads = {c for (c,) in do(database, "SELECT chunk_set_id FROM heads")}
    targets = do(database, "SELECT elements_id, chunk_set_id FROM targets")
    sets = heads | {c for publish in kept for c in shown[publish].values()} | {c for _, c in targets if c}
    parents = do(database, "SELECT chunk_set_id, elements_id FROM chunk_sets")
    elements = {e for c, e in parents if c in sets} | {e for e, _ in targets if e}
    named = do(database, "SELECT chunk_set_id, text_id FROM chunks")
    texts = {t for c, t in named if c in sets} | {t for (t,) in do(database, "SELECT text_id FROM wanted_texts")}
    documents = do(database, "SELECT document_id, vanished_at FROM documents")
    alive = {d for d, vanished in documents if vanished is None} | {d for p in kept for d in shown[p]}
    return {"chunk_sets": sets, "elements": elements, "texts": texts, "vectors_small": texts, "documents": alive}


def stored(database: Database) -> dict[str, set[Any]]:
    """What is there."""
    keys = {
        "chunk_sets": "chunk_set_id", "elements": "elements_id", "texts": "text_id", "vectors_small": "text_id",
        "documents": "document_id",
    }  # fmt: skip
    return {table: {k for (k,) in do(database, f"SELECT {key} FROM {table}")} for table, key in keys.items()}


def age(database: Database, days: int) -> None:
    """Make all publishes older."""
    do(database, "UPDATE publishes SET published_at = published_at - make_interval(days => %s)", days)


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


# Beside refreshes.


def leave_garbage(bench: Workbench, corpus: Path) -> bytes:
    """Publish a document twice, so that its first version is garbage; returns the first version."""
    refresh(bench)
    old = (corpus / "tides.txt").read_bytes()
    write(corpus, "tides.txt", "No tide at all.\n")
    refresh(bench)
    return old


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
