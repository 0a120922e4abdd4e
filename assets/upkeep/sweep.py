"""Garbage collection: what no head, no kept publish and no present document reaches is removed, in batches.

It runs beside refreshes. Killed at any moment, it leaves nothing that the next one would not finish.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg

from assets.upkeep.reach import BATCH, collect, read_spaces, undisturbed
from assets.upkeep.rebuild import is_due, rebuild_index
from assets.vectors.index import Build
from assets.workbench import Workbench
from resources import failpoints
from resources.errors import TransientError
from resources.postgres import Session

TABLES = (
    "publish_changes", "chunk_sets", "chunks", "elements", "texts", "vectors", "documents", "claims", "rate_usage",
    "profiles",
)  # fmt: skip
"""What is removed, in this order; vectors of all spaces together."""


@dataclass(frozen=True)
class SweepReport:
    """What a garbage collection did.

    Attributes:
        removed: rows by table.
        bytes_before: of all tables with their indexes.
        bytes_after: likewise. What is removed is used again; files shrink by VACUUM and by a rebuilt index.
        rebuilt: whether an index was built anew.
        collected: publishes that cannot be brought back any more since now.
        rows: rows that are left, by table.
        table_bytes: by table: before and after.
        notes: sentences about the building of indexes.
    """

    removed: dict[str, int]
    bytes_before: int
    bytes_after: int
    rebuilt: bool
    collected: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    table_bytes: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def sweep(bench: Workbench, *, run_id: str, keep_days: int, keep_publishes: int, batch: int = BATCH) -> SweepReport:
    """Remove what nothing reaches.

    Args:
        bench: settings and doors.
        run_id: names this in the ledger.
        keep_days: days for which every publish can be brought back.
        keep_publishes: publishes of each collection that can be brought back, however old; at least 1.
        batch: rows a transaction.

    Raises:
        TransientError: another garbage collection is running, or refreshes left no gap to it.
    """
    started = datetime.now(UTC)
    keep = {"keep_days": keep_days, "keep_publishes": max(1, keep_publishes)}
    with bench.database.connect() as session, alone(session):
        before = _bytes(session)
        with undisturbed(session):  # A rollback is over, or finds that its publish is given up.
            collected = session.execute("upkeep/collect_publishes", keep)
        failpoints.reach("sweep.decided")
        found = collect(bench.database, session, batch)
        found["claims"] = session.execute("upkeep/remove_stale_claims")
        found["rate_usage"] = session.execute("upkeep/remove_old_usage")
        found["profiles"] = session.execute("upkeep/remove_stale_profiles")
        removed = {table: found[table] for table in TABLES}
        builds = _rebuild(bench, session)
        after = _bytes(session)
        report = SweepReport(
            removed, sum(before.values()), sum(after.values()), any(build.built for build in builds), collected,
            count_rows(session),
            {name: (before.get(name, 0), size) for name, size in after.items()},
            tuple(note for build in builds for note in build.notes),
        )  # fmt: skip
        _record(session, run_id, report, started)
        failpoints.reach("sweep.recorded")
    return report


def foresee(bench: Workbench, *, keep_days: int, keep_publishes: int) -> SweepReport:
    """Say what a garbage collection would remove; changes nothing.

    Args:
        bench: settings and doors.
        keep_days: as of `sweep`.
        keep_publishes: as of `sweep`.
    """
    keep = {"keep_days": keep_days, "keep_publishes": max(1, keep_publishes)}
    with bench.database_as_it_is.connect() as session, session.transaction(repeatable_read=True):
        removed = dict.fromkeys(TABLES, 0)
        for row in session.records("upkeep/count_garbage", keep):
            removed[row["kind"]] += row["removed"]
            removed["chunks"] += row["chunks"]
        for space in read_spaces(session):
            removed["vectors"] += session.value("upkeep/count_garbage_vectors", keep, vectors=space.vectors)
        removed |= session.record("upkeep/count_stale")
        collected = int(session.value("upkeep/count_collectable", keep))
        sizes = _bytes(session)
        return SweepReport(
            removed, sum(sizes.values()), sum(sizes.values()), rebuilt=False, collected=collected,
            rows=count_rows(session), table_bytes={name: (size, size) for name, size in sizes.items()},
        )  # fmt: skip


@contextmanager
def alone(session: Session) -> Iterator[None]:
    """Keep other garbage collections out while the block lasts.

    Raises:
        TransientError: one is running.
    """
    if not session.value("upkeep/lock_sweep"):
        raise TransientError("Another garbage collection is running; wait for it to end, then try again.")
    try:
        yield
    finally:
        with suppress(psycopg.OperationalError):  # The connection is gone, and the lock with it.
            session.execute("upkeep/unlock_sweep")


def _rebuild(bench: Workbench, session: Session) -> list[Build]:
    """Build anew the indexes that need it."""
    due = [space.space_id for space in read_spaces(session) if is_due(session, space.space_id)]
    return [rebuild_index(bench, session, space_id) for space_id in due]


def count_rows(session: Session) -> dict[str, int]:
    """Return how many rows the tables have that grow with documents."""
    rows: dict[str, int] = session.record("upkeep/count_rows")
    vectors = (session.value("upkeep/count_vectors", vectors=space.vectors) for space in read_spaces(session))
    return rows | {"vectors": sum(vectors)}


def _bytes(session: Session) -> dict[str, int]:
    return {row["name"]: int(row["bytes"]) for row in session.records("upkeep/read_bytes")}


def _record(session: Session, run_id: str, report: SweepReport, started: datetime) -> None:
    session.execute(
        "upkeep/record_sweep",
        {
            "run_id": run_id,
            "removed": json.dumps(report.removed),
            "bytes_before": report.bytes_before,
            "bytes_after": report.bytes_after,
            "started_at": started,
        },
    )
