"""Going back to an earlier publish, and staying there: the heads move as in a publish, and the collection is pinned.

Nothing is parsed, cut or embedded: what an earlier publish showed is kept until it is collected as garbage.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from assets.lease import acquire
from assets.publication.gate import COUNTED
from assets.publication.settling import settle
from assets.vectors.spaces import KeptSpace, read_kept
from assets.workbench import Workbench
from resources import failpoints
from resources.errors import ConfigurationError
from resources.postgres import Session


@dataclass(frozen=True)
class Publish:
    """A publish of a collection.

    Attributes:
        number: in its collection.
        published_at: when.
        kind: `refresh` or `rollback`.
        restores: the publish that a rollback brought back.
        run_id: the run that made it.
        space: the live space at that moment.
        counts: what it moved.
        kept: whether its state can be brought back.
        current: whether readers see its state now.
    """

    number: int
    published_at: datetime
    kind: str
    restores: int | None
    run_id: str
    space: str | None
    counts: dict[str, Any]
    kept: bool
    current: bool


def list_publishes(session: Session, name: str) -> list[Publish]:
    """Return the publishes of a collection, the newest first.

    Args:
        session: that may read the ledger.
        name: the collection.

    Raises:
        ConfigurationError: there is no such collection in the database.
    """
    return session.rows(Publish, "publication/list_publishes", {"collection_id": _collection_id(session, name)})


def rollback(bench: Workbench, name: str, number: int, *, by: str, run_id: str) -> dict[str, int]:
    """Bring the state of a publish back, and pin the collection to it.

    Args:
        bench: settings and doors.
        name: the collection.
        number: of the publish.
        by: who asks.
        run_id: names this in the ledger.

    Returns:
        How many documents were added, changed and removed, and the number of the publish that this made.

    Raises:
        ConfigurationError: there is no such publish, its state was collected as garbage, or the live space cannot show
            it.
        CollectionBusy: a refresh holds the collection.
    """
    with bench.database.connect() as session:
        collection_id = _collection_id(session, name)
        _find(session, name, number)
        lease = acquire(
            bench.database, session, collection_id, run_id, seconds=bench.lease_seconds, wait=bench.lease_wait_seconds
        )
        try:
            settle(session, lease)
            with session.transaction():
                lease.confirm(session)
                session.execute("publication/hold_readers", {"collection_id": collection_id})
                _find(session, name, number)  # Again: a garbage collection may have come first.
                publish = _move(session, collection_id, name, number, run_id)
                _keep_whole(session, collection_id, name, number)
                session.execute("publication/pin", {"collection_id": collection_id, "pinned_to": number, "by": by})
                failpoints.reach("rollback.committing")
            failpoints.reach("rollback.committed")
            settle(session, lease)  # After the flip: readers are back before the ledger is written.
            counts = session.value("publication/read_counts", {"publish_id": publish["publish_id"]})
        finally:
            lease.release()
    return {"publish_number": publish["number"]} | {kind: counts[kind] for kind in COUNTED}


def unpin(bench: Workbench, name: str, *, run_id: str) -> bool:
    """Let refreshes of a collection publish again; says whether it was pinned.

    Args:
        bench: settings and doors.
        name: the collection.
        run_id: names this while it holds the lease.

    Raises:
        ConfigurationError: there is no such collection in the database.
        CollectionBusy: a refresh holds the collection.
    """
    with bench.database.connect() as session:
        collection_id = _collection_id(session, name)
        lease = acquire(
            bench.database, session, collection_id, run_id, seconds=bench.lease_seconds, wait=bench.lease_wait_seconds
        )
        try:
            settle(session, lease)  # What is not in the ledger rests on the pin.
            with session.transaction():
                lease.confirm(session)
                return session.execute("publication/unpin", {"collection_id": collection_id}) > 0
        finally:
            lease.release()


def _collection_id(session: Session, name: str) -> int:
    found = session.records("refresh/read_collection", {"name": name})
    if not found:
        raise ConfigurationError(f"The database has no collection {name!r}; `suimon status` lists those that it has.")
    return int(found[0]["collection_id"])


def _find(session: Session, name: str, number: int) -> None:
    publishes = {found.number: found for found in list_publishes(session, name)}
    kept = [found.number for found in publishes.values() if found.kept]
    have = f"it can go back to {', '.join(map(str, kept))}." if kept else "it can go back to none."
    if number not in publishes:
        raise ConfigurationError(f"{name} has no publish {number}; {have}")
    if not publishes[number].kept:
        raise ConfigurationError(
            f"Publish {number} of {name} was collected as garbage and cannot be brought back; {have}"
        )


def _move(session: Session, collection_id: int, name: str, number: int, run_id: str) -> dict[str, int]:
    publish = session.record(
        "publication/insert_publish",
        {"collection_id": collection_id, "refresh_id": None, "run_id": run_id, "kind": "rollback", "restores": number},
    )
    params = {"collection_id": collection_id, "publish_id": publish["publish_id"], "collection": name}
    session.value("publication/restore_heads", params | {"number": number})
    return publish


def _keep_whole(session: Session, collection_id: int, name: str, number: int) -> None:
    """Make sure that readers find in the live space all that was brought back; other spaces may have to be filled anew.

    Raises:
        ConfigurationError: they would not; nothing is moved then.
    """
    for space in read_kept(session, collection_id):
        params = {"collection_id": collection_id, "space_id": space.space_id}
        lacking = int(session.value("publication/count_lacking", params, vectors=space.table))
        if lacking and space.live:
            raise ConfigurationError(_cannot_show(session, space, collection_id, name, number, lacking))
        if lacking and space.filled:  # The next refresh fills it.
            session.execute("publication/unfill_space", params)
            session.value("publication/note_ready", params)


def _cannot_show(session: Session, live: KeptSpace, collection_id: int, name: str, number: int, lacking: int) -> str:
    """Say which space could show a publish, and whether it is still there."""
    shown_in = {found.number: found.space for found in list_publishes(session, name)}[number]
    begin = (
        f"Publish {number} of {name} cannot be brought back: {lacking} of its texts have no vector in {live.name}, the "
        "space that readers see"
    )
    if any(space.name == shown_in for space in read_kept(session, collection_id) if not space.live):
        return (
            f"{begin}; it was made in space {shown_in}, so run `suimon space promote {shown_in}` first, then roll back."
        )
    dropped = session.records("vectors/read_dropped_space", {"name": shown_in})
    if dropped:
        return (
            f"{begin}, and {shown_in}, the space in which it was made, was dropped by {dropped[0]['dropped_by']} on "
            f"{dropped[0]['dropped_at']:%Y-%m-%d}."
        )
    return f"{begin}."
