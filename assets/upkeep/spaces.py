"""Moving to another model: a space is added and filled beside the live one, promoted by one flip, and dropped at last.

Filling is what every refresh does (assets/vectors/stage.py); here is what a person decides.
"""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import psycopg

from assets.upkeep.reach import undisturbed
from assets.vectors.index import Build, build_index
from assets.vectors.probe import first_contact
from assets.vectors.spaces import KnownSpace, compare, find_space, make_space, read_kept, read_spaces
from assets.workbench import Workbench
from resources.errors import ConfigurationError, TransientError
from resources.postgres import Session

T = TypeVar("T")

TRIES = 40
PAUSE_SECONDS = 1.5
"""How often, and how far apart, it is tried for 0.2 s to exchange a view that readers hold: those who come while it is
tried wait for that long at most."""


def add(bench: Workbench, name: str) -> tuple[KnownSpace, bool]:
    """Begin to keep a declared space: every refresh fills it from now on, and keeps it.

    Args:
        bench: settings and doors.
        name: of the space.

    Returns:
        The space, and whether it was made just now.

    Raises:
        ConfigurationError: it is not declared, is declared otherwise than it was made, or its endpoint does not answer
            as declared.
    """
    declared = bench.space(name)
    with bench.database.connect() as session:
        known = find_space(session, name)
        if known is not None:
            compare(known, declared)
            return known, False
        probed = first_contact(bench, name)
        return make_space(session, name, probed), True


def fill(
    bench: Workbench, name: str, collections: Iterable[str], refresh: Callable[[str], str | None]
) -> dict[str, str | None]:
    """Refresh collections one after the other until each is complete in a space, and build its index.

    A collection in which something else waits to be published is filled in parts, so that readers get that first.

    Args:
        bench: settings and doors.
        name: of the space.
        collections: declared ones.
        refresh: refreshes one; says in a sentence what kept it from being filled, if anything did.

    Returns:
        By collection, what keeps it from being complete; None where it is.
    """
    outcome: dict[str, str | None] = {}
    for collection in collections:
        left = None
        while True:
            why = refresh(collection)
            now = _left(bench, name, collection)
            if now is None:
                outcome[collection] = None
                break
            if why is not None or (left is not None and now >= left):
                outcome[collection] = why or f"{collection} lacks {now:,} texts in space {name}, and nothing was added."
                break
            left = now
    with bench.database.connect() as session:
        complete_index(bench, session, name)
    return outcome


def complete_index(bench: Workbench, session: Session, name: str) -> Build:
    """Build the index of a space that is complete and has none: a process may have died before it came to that."""
    known = find_known(session, name)
    session.records("publication/note_all_ready")
    waiting = {row["space_id"] for row in session.records("publication/wants_index")}
    return build_index(bench, session, known.space_id) if known.space_id in waiting else Build()


def _left(bench: Workbench, name: str, collection: str) -> int | None:
    """Return how many texts a collection lacks in a space; None if it is complete, or shows nothing yet."""
    with bench.database.connect() as session:
        row = session.records("refresh/read_collection", {"name": collection})[0]
        params = {"collection_id": row["collection_id"]}
        for space in read_kept(session, row["collection_id"]):
            if space.name == name and space.published and not space.filled:
                params |= {"space_id": space.space_id}
                return int(session.record("vectors/count_unembedded", params, vectors=space.table)["texts"])
    return None


def find_known(session: Session, name: str) -> KnownSpace:
    """Return a space that the database keeps.

    Raises:
        ConfigurationError: it keeps none of that name; the sentence names those that it keeps.
    """
    kept = read_spaces(session)
    for space in kept:
        if space.name == name:
            return space
    names = [space.name for space in kept]
    listed = ", ".join(f"{space.name}{' (live)' if space.live else ''}" for space in kept) or "none"
    dropped = session.records("vectors/read_dropped_space", {"name": name})
    if dropped:
        raise ConfigurationError(
            f"The space {name} was dropped by {dropped[0]['dropped_by']} on {dropped[0]['dropped_at']:%Y-%m-%d}; the "
            f"database keeps {listed}, and `suimon space add {name}` would fill it anew."
        )
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"`suimon space add {name}` adds it if it is declared."
    raise ConfigurationError(f"The database keeps no space {name!r}, it keeps {listed}; {hint}")


def promote(bench: Workbench, name: str) -> str:
    """Let readers see a space as `search.chunks`; the one that they saw stays current beside it.

    Args:
        bench: settings and doors.
        name: of the space.

    Returns:
        The space that was live before; `name` itself if nothing changed.

    Raises:
        ConfigurationError: there is no such space, it is not declared, or it does not hold all that is published; the
            sentence says what is missing.
        TransientError: readers or refreshes left no gap for a minute; nothing was changed.
    """
    with bench.database.connect() as session:
        space = find_known(session, name)
        compare(space, bench.space(name))

        def flip() -> str:
            live = next(known.name for known in read_spaces(session) if known.live)
            _check_promotable(bench, session, space, live)
            session.execute("upkeep/remember_tokenizers")
            session.value("upkeep/promote_space", {"space_id": space.space_id})
            return live

        if space.live:
            return name
        return _patiently(session, flip)


def missing_from(bench: Workbench, name: str) -> list[str]:
    """Return what keeps a space from taking the live one's place, a clause each; nothing where it may.

    Args:
        bench: settings and doors.
        name: of the space.

    Raises:
        ConfigurationError: the database keeps no space of that name.
    """
    with bench.database.connect() as session:
        return _missing(bench, session, find_known(session, name))


def _check_promotable(bench: Workbench, session: Session, space: KnownSpace, live: str) -> None:
    missing = _missing(bench, session, space)
    if missing:
        raise ConfigurationError(
            f"Space {space.name} cannot take the place of {live}: {'; '.join(missing)}; `suimon space add "
            f"{space.name}` fills it and builds what is missing, and readers go on with {live}."
        )


def _missing(bench: Workbench, session: Session, space: KnownSpace) -> list[str]:
    missing = []
    for row in session.records("vectors/read_unfilled", {"space_id": space.space_id}):
        params = {"collection_id": row["collection_id"], "space_id": space.space_id}
        lacking = session.value("publication/count_lacking", params, vectors=space.table)
        if row["name"] in bench.collections:
            missing.append(f"{row['name']} is not complete in it ({lacking:,} texts lack a vector)")
        else:
            missing.append(
                f"{row['name']} is not complete in it and not declared any more: declare it, or `suimon drop` it"
            )
    if not session.value("vectors/has_index", {"space_id": space.space_id}):
        missing.append("it has no valid index yet")
    return missing


def drop(bench: Workbench, name: str, *, by: str, run_id: str) -> dict[str, int]:
    """Remove a space with all its vectors; what it cost stays in the ledger.

    Args:
        bench: settings and doors.
        name: of the space.
        by: who asks.
        run_id: names this in the ledger.

    Returns:
        Rows removed by table.

    Raises:
        ConfigurationError: there is no such space, or readers see it.
        TransientError: readers or refreshes left no gap for a minute; nothing was removed.
    """
    with bench.database.connect() as session:
        space = find_known(session, name)

        def remove() -> dict[str, int]:
            known = find_known(session, name)
            if known.live:
                others = ", ".join(other.name for other in read_spaces(session) if not other.live)
                then = f"promote {others} first" if others else "add another one and promote it first"
                raise ConfigurationError(f"Space {name} is live, readers see it; {then}, then drop {name}.")
            rows = session.records("upkeep/drop_space", {"space_id": space.space_id})
            removed = {row["name"]: int(row["removed"]) for row in rows}
            params: dict[str, Any] = {"name": name, "model": known.model, "dimensions": known.dimensions}
            params |= {"run_id": run_id, "by": by, "removed": json.dumps(removed)}
            session.execute("upkeep/record_dropped_space", params)
            return removed

        return _patiently(session, remove)


def _patiently(session: Session, change: Callable[[], T]) -> T:
    """Make a change of what readers see, in a transaction in which no refresh commits, as soon as readers let it."""
    for _ in range(TRIES):
        try:
            with undisturbed(session):
                return change()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            time.sleep(PAUSE_SECONDS)  # A reader who came after our try goes first.
    raise TransientError(
        "Readers held the views for a minute without a pause; nothing was changed, and searches go on: try again later."
    )
