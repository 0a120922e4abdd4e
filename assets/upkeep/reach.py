"""What nothing reaches, and how it is removed without anything that a refresh is about to name.

What is garbage is defined once, in SQL (the function `garbage`). It is found without any lock. A batch of it then goes
in a transaction of its own: no refresh commits while it lasts, rows that anybody else is about to name are left, and
each row is asked for once more, in a statement of its own, before it goes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice

import psycopg

from resources import failpoints
from resources.errors import TransientError
from resources.postgres import Database, Session

BATCH = 5000
"""Rows that go in one transaction, during which refreshes cannot commit. On 2 cores under a load of 17, 5,000 texts
with their vectors took 0.8 to 1.4 s, and 5,000 chunk sets with 25,000 chunks 0.8 s."""

PATIENCE_SECONDS = 60.0
"""How long a gap between the commits of refreshes is waited for; each try waits for a second."""


@dataclass(frozen=True)
class Garbage:
    """A row that nothing reaches.

    Attributes:
        id: its number; of a change, its document's.
        publish_id: of a change, its publish's.
    """

    id: int
    publish_id: int | None


@dataclass(frozen=True)
class SpaceTable:
    """The vectors of a space.

    Attributes:
        space_id: its number.
        vectors: the table's name.
        retired: vectors removed since its index was built.
        indexed: whether it has an index.
        spare: whether an interrupted rebuild left a second one.
    """

    space_id: int
    vectors: str
    retired: int
    indexed: bool
    spare: bool


@contextmanager
def undisturbed(session: Session) -> Iterator[None]:
    """A transaction in which no refresh commits anything; what refreshes committed before is seen.

    Raises:
        TransientError: refreshes left no gap for a minute.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(_holding_refreshes(session))
                break
            except psycopg.errors.LockNotAvailable:
                if time.monotonic() > deadline:
                    raise TransientError(
                        "Refreshes are writing without a pause; what was removed so far stays removed, try again later."
                    ) from None
                time.sleep(0.2)
        yield


@contextmanager
def _holding_refreshes(session: Session) -> Iterator[None]:
    with session.transaction():
        session.execute("upkeep/hold_refreshes")
        yield


def read_spaces(session: Session) -> list[SpaceTable]:
    """Return the spaces and their tables."""
    return session.rows(SpaceTable, "upkeep/read_spaces")


def collect(database: Database, session: Session, batch: int = BATCH) -> Counter[str]:
    """Remove all that nothing reaches, under the publishes that are kept as recorded.

    Args:
        database: where a second session reads what is to go.
        session: removes it; must be outside a transaction.
        batch: rows a transaction.

    Returns:
        Rows removed by table; vectors of all spaces together.

    Raises:
        TransientError: refreshes left no gap.
    """
    removed: Counter[str] = Counter()
    for kind, remove in _KINDS.items():
        with database.connect() as reader:
            found = reader.stream(Garbage, "upkeep/find_garbage", {"kind": kind}, batch=batch)
            while rows := list(islice(found, batch)):
                with undisturbed(session):
                    removed.update(remove(session, rows))
                    failpoints.reach("sweep.removing")
                failpoints.reach("sweep.removed")
    return removed


def _remove_changes(session: Session, rows: Sequence[Garbage]) -> Counter[str]:
    params = {"document_ids": [row.id for row in rows], "publish_ids": [row.publish_id for row in rows]}
    return Counter(publish_changes=session.execute("upkeep/remove_changes", params))


def _hold(session: Session, query: str, rows: Sequence[Garbage]) -> dict[str, list[int]]:
    """Hold rows of a table; those that somebody else holds, because he is about to name them, are left out."""
    found = session.records(f"upkeep/{query}", {"ids": [row.id for row in rows]})
    failpoints.reach("sweep.chosen")
    return {"ids": [row["id"] for row in found]}


def _remove_chunk_sets(session: Session, rows: Sequence[Garbage]) -> Counter[str]:
    return Counter(session.record("upkeep/remove_chunk_sets", _hold(session, "hold_garbage_chunk_sets", rows)))


def _remove_elements(session: Session, rows: Sequence[Garbage]) -> Counter[str]:
    return Counter(elements=session.execute("upkeep/remove_elements", _hold(session, "hold_garbage_elements", rows)))


def _remove_texts(session: Session, rows: Sequence[Garbage]) -> Counter[str]:
    return remove_texts(session, _hold(session, "hold_garbage_texts", rows)["ids"])


def _remove_documents(session: Session, rows: Sequence[Garbage]) -> Counter[str]:
    """Forget documents, what is attached to another one before that one."""
    held = _hold(session, "hold_garbage_documents", rows)
    removed: Counter[str] = Counter()
    while gone := session.execute("upkeep/remove_gone_documents", held):
        removed["documents"] += gone
    return removed


def remove_texts(session: Session, text_ids: Sequence[int]) -> Counter[str]:
    """Inside a transaction, remove texts that nothing names, with their vectors in every space.

    Args:
        session: a transaction in which no refresh commits.
        text_ids: those that may go; one that a chunk names, or that is wanted again, stays.

    Returns:
        Texts and vectors removed.
    """
    unnamed = session.records("upkeep/read_unnamed_texts", {"ids": list(text_ids)})
    ids = [row["id"] for row in unnamed]
    removed: Counter[str] = Counter()
    for space in read_spaces(session):
        vectors = session.execute("upkeep/remove_vectors", {"ids": ids}, vectors=space.vectors)
        if vectors:
            session.execute("upkeep/retire_vectors", {"space_id": space.space_id, "removed": vectors})
        removed["vectors"] += vectors
    removed["texts"] += session.execute("upkeep/remove_texts", {"ids": ids})
    return removed


_KINDS: dict[str, Callable[[Session, Sequence[Garbage]], Counter[str]]] = {
    "publish_changes": _remove_changes,
    "chunk_sets": _remove_chunk_sets,
    "elements": _remove_elements,
    "texts": _remove_texts,
    "documents": _remove_documents,
}
"""In the order in which they let go of one another."""
