"""Sweeping, what it is compared with, and hooks at the points where something may come between."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assets.upkeep.sweep import SweepReport, sweep
from assets.workbench import Workbench
from resources import failpoints
from resources.postgres import Database
from tests.conftest import refresh, rows, write

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


def leave_garbage(bench: Workbench, corpus: Path) -> bytes:
    """Publish a document twice, so that its first version is garbage; returns the first version."""
    refresh(bench)
    old = (corpus / "tides.txt").read_bytes()
    write(corpus, "tides.txt", "No tide at all.\n")
    refresh(bench)
    return old
