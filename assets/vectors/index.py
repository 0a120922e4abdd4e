"""Building a space's HNSW index: how much memory it is given, how far it is, and whether the memory did."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

from assets.workbench import Workbench
from resources.errors import SuimonError
from resources.postgres import Session

NEIGHBOURS_BYTES = 800
"""What a vector takes in a graph of m = 16 beside itself: measured were 715 to 743 bytes, at 48 to 3,072 dimensions."""

LEAST_MEMORY_MB = 64

OUTGREW = "hnsw graph no longer fits"
"""How pgvector's notice begins that a build goes on on disk, ten times slower."""

POLL_SECONDS = 1.0


@dataclass
class Build:
    """How building an index went.

    Attributes:
        built: whether this process built it.
        memory_mb: that it was given, in MiB.
        outgrown: whether the graph did not fit into that.
    """

    built: bool = False
    memory_mb: int = 0
    outgrown: bool = False

    @property
    def notes(self) -> list[str]:
        """What a person is told."""
        if not self.outgrown:
            return []
        sentence = (
            f"The graph of the vector index did not fit into the {self.memory_mb:,} MB that it was given, so that "
            "building it took many times as long; raise upkeep.index_memory_mb if the server has the memory."
        )
        return [sentence]


def memory_for(rows: int, dimensions: int, storage: str, most_mb: int) -> int:
    """Return the memory that a graph takes, in MiB, within what is allowed.

    Args:
        rows: vectors.
        dimensions: of each.
        storage: `vector` or `halfvec`.
        most_mb: the bound.
    """
    size = dimensions * (2 if storage == "halfvec" else 4) + NEIGHBOURS_BYTES
    return max(LEAST_MEMORY_MB, min(most_mb, math.ceil(rows * size * 1.1 / 2**20) + 16))


def build_index(bench: Workbench, session: Session, space_id: int) -> Build:
    """Build the index of a space, if it has none.

    Args:
        bench: settings and doors.
        session: of the pipeline role, outside a transaction.
        space_id: the space.
    """
    if session.value("vectors/has_index_of_any_kind", {"space_id": space_id}):
        return Build()
    with watched(bench, session, space_id) as build:
        params = {"space_id": space_id, "memory_mb": build.memory_mb}
        build.built = bool(session.value("vectors/build_index", params))
    return build


@contextmanager
def watched(bench: Workbench, session: Session, space_id: int) -> Iterator[Build]:
    """Say how much memory a build gets, listen to what the server says of it, and show how far it is.

    Args:
        bench: settings and doors; its progress is told.
        session: that builds, inside the block.
        space_id: whose index is built.
    """
    space = session.record("vectors/measure_space", {"space_id": space_id})
    rows = session.value("upkeep/count_vectors", vectors=space["vectors"])
    memory = memory_for(rows, space["dimensions"], space["storage"], bench.index_memory_mb)
    build = Build(memory_mb=memory)

    def heard(diagnostic: psycopg.errors.Diagnostic) -> None:
        build.outgrown |= (diagnostic.message_primary or "").startswith(OUTGREW)

    ended = threading.Event()
    teller = threading.Thread(
        target=_tell, args=(bench, session.connection.info.backend_pid, space["name"], rows, ended), daemon=True
    )
    session.connection.add_notice_handler(heard)
    teller.start()
    try:
        yield build
    finally:
        ended.set()
        session.connection.remove_notice_handler(heard)
        teller.join(timeout=10)


def _tell(bench: Workbench, pid: int, name: str, rows: int, ended: threading.Event) -> None:
    """Tell progress how far a build is.

    It looks as the login itself: another role, as the pipeline's, is shown that there is a build and nothing of it.
    """
    if ended.wait(POLL_SECONDS):  # Most are over by then, and need no second connection.
        return
    with suppress(SuimonError, psycopg.Error), bench.database.connect(role=None) as session:
        while True:
            found = session.records("vectors/read_index_progress", {"pid": pid})
            if found:
                bench.progress(f"index of {name}", int(found[0]["done"]), rows)
            if ended.wait(POLL_SECONDS):
                return
