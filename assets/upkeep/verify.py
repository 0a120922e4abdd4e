"""Comparing what readers see with the ledger, and chunks, texts, vectors and index with what was written.

All comparing happens in Postgres, set by set and by digest; no document's text comes here. Without repair nothing is
written but the comparison's own line, no lease is taken, and a refresh may go on meanwhile: each comparison is one
statement and sees one state.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from assets.upkeep.repair import repair_all
from assets.upkeep.verify_findings import Finding, finding, merge, settle
from assets.vectors.spaces import KnownSpace, read_spaces
from assets.workbench import Workbench
from resources.errors import ConfigurationError
from resources.postgres import Session


@dataclass(frozen=True)
class Scope:
    """What is compared.

    Attributes:
        collections: numbers by name.
        whole: whether it is everything that the database holds.
        spaces: that the database keeps.
        sample: vectors asked for through the index, at most.
        seed: draws that sample.
    """

    collections: dict[str, int]
    whole: bool
    spaces: list[KnownSpace]
    sample: int
    seed: int

    @property
    def ids(self) -> list[int]:
        """Numbers of the collections."""
        return list(self.collections.values())


def verify(
    bench: Workbench, names: Sequence[str] | None, *, repair: bool, run_id: str, sample: int = 500
) -> list[Finding]:
    """Compare, and mend if asked to.

    What was mended is found by comparing again. Nothing that is still known is embedded again.

    Args:
        bench: settings and doors.
        names: of collections; None for all that the database holds, declared or not.
        repair: whether to mend what is found, under each collection's lease.
        run_id: names the comparison in the ledger, and draws the sample.
        sample: vectors asked for through the index, at most; 0 asks for none.

    Returns:
        What was found, by kind and collection; empty if all is well. `Finding.left` says what still needs somebody.

    Raises:
        ConfigurationError: a name is unknown, or the database has no schema of this version.
    """
    started = datetime.now(UTC)
    with bench.database_as_it_is.connect() as session:
        scope = _scope(session, names, sample, zlib.crc32(run_id.encode()))
        found = _look(session, scope)
    if repair and found:
        stops = repair_all(bench, scope.collections, found, run_id=run_id)
        with bench.database_as_it_is.connect() as session:
            found = settle(found, _look(session, scope), stops)
    _record(bench, names, found, repair=repair, run_id=run_id, started=started)
    return found


def _scope(session: Session, names: Sequence[str] | None, sample: int, seed: int) -> Scope:
    rows = session.records("verify/read_collections", {"names": None if names is None else list(names)})
    known = {str(row["name"]): int(row["collection_id"]) for row in rows}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ConfigurationError(
            f"The database holds no collection {', '.join(map(repr, unknown))}; `suimon status` lists those that it "
            "holds."
        )
    return Scope(known, names is None, read_spaces(session), sample, seed)


@contextmanager
def _looking(session: Session) -> Iterator[None]:
    """A transaction in which Postgres refuses to write anything."""
    session.connection.read_only = True
    try:
        with session.transaction():
            yield
    finally:
        session.connection.read_only = None


COMPARISONS = ("find_head_faults", "find_chunk_faults", "find_text_faults", "find_unaccounted", "find_profile_faults")
"""What can be compared before anything was embedded."""


def _look(session: Session, scope: Scope) -> list[Finding]:
    """Make all comparisons, each in a transaction of its own, so that none holds VACUUM back for long."""
    found: list[Finding] = []
    for name in COMPARISONS:
        found += _ask(session, scope, f"verify/{name}")
    for space in scope.spaces:
        found += _ask(session, scope, "verify/find_vector_faults", space)
        if scope.whole:
            found += _ask(session, scope, "verify/find_unused_vector_faults", space)
        found += _look_at_index(session, scope, space)
        found += _ask(session, scope, "verify/find_fulfilled_wishes", space)
    return merge(found + _ask(session, scope, "verify/find_leftovers"))


def _ask(session: Session, scope: Scope, query: str, space: KnownSpace | None = None) -> list[Finding]:
    params = {
        "collection_ids": scope.ids,
        "all_collections": scope.whole,
        "space_id": space.space_id if space else None,
    }
    with _looking(session):
        rows = session.records(query, params, vectors=space.table if space else "")
    where = f" in space {space.name}" if space and len(scope.spaces) > 1 else ""
    return [finding(row["kind"], row["collection"], row["found"], row["examples"], where) for row in rows]


def _look_at_index(session: Session, scope: Scope, space: KnownSpace) -> list[Finding]:
    """Ask whether the index is there and whole, and then for a sample of vectors through it."""
    found = _ask(session, scope, "verify/find_index_faults", space)
    if found or not scope.sample or not session.value("vectors/has_index_of_any_kind", {"space_id": space.space_id}):
        return found
    params = {
        "seed": scope.seed,
        "sample": scope.sample,
        "collection_ids": None if scope.whole else scope.ids,
    }
    session.connection.prepare_threshold = None  # A prepared plan would not heed the settings.
    with _looking(session):
        session.value("verify/load_vector")
        session.value("verify/probe_through_index")
        lost = [str(row["text_id"]) for row in session.records("verify/find_unreachable", params, vectors=space.table)]
    where = f" in space {space.name}" if len(scope.spaces) > 1 else ""
    return [finding("vectors_unreachable", None, len(lost), lost, where)] if lost else []


def _record(
    bench: Workbench, names: Sequence[str] | None, found: list[Finding], *, repair: bool, run_id: str, started: datetime
) -> None:
    lines = [
        {"kind": item.kind, "collection": item.collection, "count": item.count, "repaired": item.repaired}
        for item in found
    ]
    params = {
        "collection": None if names is None else ", ".join(names),
        "run_id": run_id,
        "repaired": repair,
        "findings": json.dumps(lines),
        "started_at": started,
    }
    with bench.database_as_it_is.connect() as session:
        session.execute("verify/record_verification", params)
