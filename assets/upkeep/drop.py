"""Dropping a collection that is no longer declared: its heads go at once, its contents with the garbage."""

from __future__ import annotations

import difflib
import json

from assets.lease import seize
from assets.upkeep.reach import undisturbed
from assets.workbench import Workbench
from resources.errors import ConfigurationError


def drop(bench: Workbench, name: str, *, by: str, run_id: str) -> dict[str, int]:
    """Remove all rows of a collection but its contents, which a garbage collection removes where nobody shares them.

    What it cost, and the marks of what was erased from it, stay.

    Args:
        bench: settings and doors.
        name: the collection.
        by: who asks.
        run_id: names this in the ledger.

    Returns:
        Rows removed by table.

    Raises:
        ConfigurationError: it is declared, or the database has none of that name.
        TransientError: refreshes of other collections left no gap; nothing was removed then.
    """
    check_droppable(bench, name)
    with bench.database.connect() as session:
        collection_id = session.records("refresh/read_collection", {"name": name})[0]["collection_id"]
        lease = seize(bench.database, session, collection_id, run_id, seconds=bench.lease_seconds)
        try:
            with undisturbed(session):
                lease.confirm(session)
                rows = session.records("upkeep/drop_collection", {"collection_id": collection_id})
                removed = {row["name"]: int(row["removed"]) for row in rows}
                session.execute(
                    "upkeep/record_drop",
                    {"collection": name, "run_id": run_id, "by": by, "removed": json.dumps(removed)},
                )
        finally:
            lease.release()
    return removed


def check_droppable(bench: Workbench, name: str) -> None:
    """Make sure that a collection is there and no longer declared.

    Raises:
        ConfigurationError: it is not so.
    """
    if name in bench.collections:
        raise ConfigurationError(
            f"The collection {name!r} is declared; take it out of collections.yaml first, then drop it."
        )
    with bench.database.connect() as session:
        known = [row["name"] for row in session.records("upkeep/read_collection_names")]
    if name not in known:
        near = difflib.get_close_matches(name, [item for item in known if item not in bench.collections], n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`suimon status` lists those that it has."
        raise ConfigurationError(f"The database has no collection {name!r}; {hint}")
