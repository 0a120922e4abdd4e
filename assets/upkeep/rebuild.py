"""Building an index anew beside the live one, which readers use until the new one takes its place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from assets.upkeep.reach import read_spaces
from assets.vectors.index import Build, watched
from assets.workbench import Workbench
from resources import failpoints
from resources.errors import ConfigurationError, TransientError
from resources.postgres import Session

RETIRED_SHARE = 0.2
"""Removed vectors, as a share of those that are there, above which an index is built anew. Its graph leads through
removed ones until VACUUM mends it, and after 5 % of churn VACUUM took longer than a new index (measured, 60,000 vectors
of 384 dimensions)."""

SWAPS = 40
PAUSE_SECONDS = 1.5
"""How often, and how far apart, it is tried for 0.2 s to put the new index in the place of the old one: readers who
come while it is tried wait for that long at most."""


def rebuild_index(bench: Workbench, session: Session, space_id: int) -> Build:
    """Build the HNSW index of a space anew, whatever state the old one is in.

    Readers use the old one meanwhile; vectors that are to be written wait for the new one.

    Args:
        bench: settings and doors; its progress is told.
        session: a connection of the pipeline role, outside a transaction.
        space_id: the space.

    Returns:
        Whether it was built, which it is not if somebody else is at it, and whether its memory did.

    Raises:
        ConfigurationError: there is no such space.
        TransientError: readers held the old index for a minute; both stay, and the next rebuild begins anew.
    """
    with _alone(session, space_id) as alone:
        if not alone:
            return Build()
        counted = [space.retired for space in read_spaces(session) if space.space_id == space_id]
        if not counted:
            raise ConfigurationError(f"The database has no space of number {space_id}; `suimon status` lists them.")
        with watched(bench, session, space_id) as build:
            session.execute("upkeep/build_spare_index", {"space_id": space_id, "memory_mb": build.memory_mb})
        failpoints.reach("sweep.index_built")
        _swap(session, space_id, counted[0])
        failpoints.reach("sweep.index_swapped")
        build.built = True
        return build


@contextmanager
def _alone(session: Session, space_id: int) -> Iterator[bool]:
    params = {"space_id": space_id}
    locked = bool(session.value("upkeep/lock_rebuild", params))
    try:
        yield locked
    finally:
        if locked:
            with suppress(psycopg.OperationalError):  # The connection is gone, and the lock with it.
                session.execute("upkeep/unlock_rebuild", params)


def _swap(session: Session, space_id: int, counted: int) -> None:
    for _ in range(SWAPS):
        with suppress(psycopg.errors.LockNotAvailable):
            session.execute("upkeep/swap_spare_index", {"space_id": space_id, "counted": counted})
            return
        time.sleep(PAUSE_SECONDS)  # A reader who came after our try goes first.
    raise TransientError(
        "Readers held the index for a minute, so that the new one could not take its place; searches go on as before, "
        "and the next `suimon sweep` tries again."
    )


def is_due(session: Session, space_id: int) -> bool:
    """Say whether a space's index leads through so many removed vectors that it ought to be built anew.

    One that an interrupted rebuild left beside it is a reason too: it slows every write, and serves nobody.
    """
    for space in read_spaces(session):
        if space.space_id == space_id:
            rows = int(session.value("upkeep/count_vectors", vectors=space.vectors))
            return space.spare or (space.indexed and space.retired > RETIRED_SHARE * rows)
    return False
