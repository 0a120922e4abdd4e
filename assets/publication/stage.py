"""The publication stage: ask the gate, then move the heads of a collection in one short transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import psycopg

from assets.auditing.audit import suite_id
from assets.chunks import audits as chunk_audits
from assets.documents.patterns import PARTS_OF_URI, placeholders
from assets.elements import audits as element_audits
from assets.publication.gate import COUNTED, Accepted, GateFacts, SpaceFacts, findings, overruled
from assets.quality.guard import Guard, prepare_guard
from assets.refresh import Refresh, StageReport
from assets.settings import Collection
from assets.vectors import audits as vector_audits
from assets.vectors.index import build_index
from assets.vectors.spaces import KeptSpace
from resources import failpoints
from resources.errors import GateClosed
from resources.postgres import Session

ATTEMPTS = 20
"""How often a publish begins again because the lease was renewed at the very moment at which it began."""


class _NothingToMove(Exception):  # Takes an empty publish back; never leaves this module.
    pass


def run(refresh: Refresh) -> StageReport:
    """Publish what was prepared and audited.

    Raises:
        GateClosed: something that would become visible may not; readers keep what they have.
        LeaseLost: another refresh took the collection over.
    """
    report = StageReport("publication")
    if refresh.converged:
        return report
    spaces = refresh.spaces()
    if not spaces:  # Nothing was ever embedded: an empty source.
        return report
    pin = refresh.session.record("publication/read_pin", refresh.params)
    if pin["pinned_to"] is not None:
        with refresh.writing():
            _settle(refresh, spaces)
            _fill(refresh, spaces)
        _build_indexes(refresh, report)
        report.counts |= {"prepared": pin["candidates"], "pinned_to": pin["pinned_to"]}
        return report
    _build_first_index(refresh, spaces, report)
    failpoints.reach("publication.indexed")
    guard = prepare_guard(refresh, refresh.spaces())
    try:
        counts = _publish(refresh, guard)
    except GateClosed as closed:
        _record_verdict(refresh, closed.args[1] if len(closed.args) > 1 else {}, guard.figures())
        raise
    failpoints.reach("publication.committed")
    _build_indexes(refresh, report)
    if counts is None:
        return report
    _record_verdict(refresh, {}, guard.figures())
    failpoints.reach("publication.verdict_recorded")
    report.counts |= counts | guard.counts()
    report.changed = True
    return report


def _publish(refresh: Refresh, guard: Guard) -> dict[str, Any] | None:
    """Gate and flip in one transaction that sees one state throughout; what was moved, or None for nothing.

    The lease's row is renewed by a thread, and spaces are filled, promoted and dropped by others: the transaction
    begins again where that came in between.
    """
    for attempt in range(ATTEMPTS):
        try:
            with refresh.writing(repeatable_read=True):
                spaces = refresh.spaces()
                demanded = [space for space in spaces if space.demanded]
                _pass_gate(refresh, demanded)
                failpoints.reach("publication.gated")
                counts = _flip(refresh, demanded, guard)
                _mark_converged(refresh, spaces)
                failpoints.reach("publication.committing")
        except _NothingToMove:
            with refresh.writing():
                _mark_converged(refresh, refresh.spaces())
            return None
        except (psycopg.errors.SerializationFailure, psycopg.errors.UndefinedTable):
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.05 * (attempt + 1))
        else:
            return counts
    raise AssertionError("a loop that returns or raises")


def _mark_converged(refresh: Refresh, spaces: Sequence[KeptSpace]) -> None:
    """Let the next refresh stop early, unless something is still waiting: to be read, cut, embedded, shown, indexed."""
    _settle(refresh, spaces)
    _fill(refresh, spaces)
    waiting = refresh.session.value("publication/has_leftovers", refresh.params)
    if not waiting and not refresh.session.records("publication/wants_index"):
        fingerprint = {"fingerprint": refresh.fingerprint_now()}
        refresh.session.execute("publication/mark_converged", refresh.params | fingerprint)


def _settle(refresh: Refresh, spaces: Sequence[KeptSpace]) -> None:
    """Forget what wanted a vector again and has it."""
    for space in spaces:
        params = refresh.params | {"space_id": space.space_id}
        refresh.session.execute("vectors/settle_wanted", params, vectors=space.table)


def _fill(refresh: Refresh, spaces: Sequence[KeptSpace]) -> None:
    """Note in which spaces the collection is complete, by what its heads are at this point of the transaction."""
    complete = [
        space.space_id
        for space in spaces
        if (not space.filled if space.demanded else not _unsettled(refresh, space, "heads", most=1))
    ]
    if not complete:
        return
    for row in refresh.session.records("publication/fill_spaces", refresh.params | {"space_ids": complete}):
        refresh.session.value("publication/note_ready", row)


def _in_space(session: Session, space: KeptSpace) -> dict[str, Any]:
    suite = vector_audits.suite(space.dimensions, normalised=space.normalised)
    return {"space_id": space.space_id, "space": space.name, "vector_suite": suite_id(session, suite)}


def _suites(refresh: Refresh) -> dict[str, int]:
    return {
        "element_suite": suite_id(refresh.session, element_audits.suite()),
        "chunk_suite": suite_id(refresh.session, chunk_audits.suite(refresh.settings.chunking)),
    }


def _build_first_index(refresh: Refresh, spaces: Sequence[KeptSpace], report: StageReport) -> None:
    """Build the index of the live space after the first load, before anybody searches."""
    for space in spaces:
        if space.live:
            _build(refresh, space.space_id, report)


def _build_indexes(refresh: Refresh, report: StageReport) -> None:
    """Build the index of a space that has just become complete, before it may be promoted.

    A process that dies before it is built leaves the collection unconverged: the next refresh builds it.
    """
    refresh.session.records("publication/note_all_ready")
    waiting = refresh.session.records("publication/wants_index")
    for row in waiting:
        _build(refresh, row["space_id"], report)
    if waiting:
        with refresh.writing():
            _mark_converged(refresh, refresh.spaces())


def _build(refresh: Refresh, space_id: int, report: StageReport) -> None:
    started = time.perf_counter()
    build = build_index(refresh.bench, refresh.session, space_id)
    report.notes += build.notes
    if build.built:
        report.counts["index_built"] = report.counts.get("index_built", 0) + 1
        milliseconds = round(1000 * (time.perf_counter() - started))
        report.counts["index_milliseconds"] = report.counts.get("index_milliseconds", 0) + milliseconds


def _pass_gate(refresh: Refresh, demanded: Sequence[KeptSpace]) -> None:
    session = refresh.session
    facts = GateFacts(
        **session.record("publication/read_gate", refresh.params | _suites(refresh)),
        spaces=tuple(
            SpaceFacts(
                **session.record(
                    "publication/read_gate_of_space", refresh.params | _in_space(session, space), vectors=space.table
                )
            )
            for space in demanded
        ),
    )
    limits = refresh.settings.limits
    accepted = Accepted(refresh.bench.accept_deletions, refresh.bench.accept_growth)
    found = findings(facts, limits, accepted)
    if found:
        raise GateClosed(f"{refresh.name} was not published: {'; '.join(found.values())}.", found)
    for kind, seen in overruled(facts, limits, accepted).items():
        refresh.session.execute(
            "publication/record_confirmation",
            refresh.params
            | {
                "kind": kind,
                "run_id": refresh.run_id,
                "by": refresh.bench.asked_by,
                "because": refresh.bench.because,
                "seen": json.dumps(seen),
            },
        )


def _unsettled(refresh: Refresh, space: KeptSpace, shown: str, *, most: int | None = None) -> list[int]:
    """Return the chunk sets a text of which is missing in a space, of those in the table or view `shown`."""
    params = refresh.params | _in_space(refresh.session, space) | {"most": most}
    found = refresh.session.records("publication/read_unsettled", params, shown=shown, vectors=space.table)
    return [row["chunk_set_id"] for row in found]


def _flip(refresh: Refresh, demanded: Sequence[KeptSpace], guard: Guard) -> dict[str, Any]:
    session = refresh.session
    before = session.record("publication/count_heads", refresh.params)
    publish = session.record(
        "publication/insert_publish",
        refresh.params
        | {"refresh_id": refresh.refresh_id, "run_id": refresh.run_id, "kind": "refresh", "restores": None},
    )
    params = refresh.params | {"publish_id": publish["publish_id"], "collection": refresh.name}
    unsettled = {"unsettled": [found for space in demanded for found in _unsettled(refresh, space, "candidates")]}
    if not session.execute(
        "publication/insert_changes", params | _suites(refresh) | unsettled | _link(refresh.settings)
    ):
        raise _NothingToMove
    failpoints.reach("publication.changes_written")
    counts = session.record("publication/count_changes", params)
    counted = session.value("publication/count_terms", params)
    session.execute("publication/remove_heads", params)
    failpoints.reach("publication.heads_removed")
    session.execute("publication/move_heads", params)
    failpoints.reach("publication.heads_moved")
    if not counted:
        session.execute("publication/recount_terms", params)
    after = session.record("publication/count_heads", refresh.params)
    expected = before["heads"] + counts["added"] - counts["removed"]
    if after["heads"] != expected:
        raise GateClosed(
            f"{refresh.name} was not published: the flip would leave {after['heads']} heads where {expected} were "
            "expected; this is a fault of Suimon, please report it.",
            {"heads_differ": "heads differ from the ledger"},
        )
    guard.hold(publish["publish_id"], [space.name for space in demanded])
    if refresh.bench.accept_deletions:
        counts["accepted_deletions"] = True
    session.execute("publication/record_counts", params | {"counts": json.dumps(counts)})
    return {"publish_number": publish["number"]} | {name: counts[name] for name in COUNTED}


def _link(settings: Collection) -> dict[str, Any]:
    """Return a link template, and which of its placeholders are parts of the path and which declared fields."""
    names = dict.fromkeys(placeholders(settings.link or ""))
    declared = settings.metadata.fields if settings.metadata else {}
    return {
        "link": settings.link,
        "link_parts": [name for name in names if name in PARTS_OF_URI and name not in declared],
        "link_fields": [name for name in names if name in declared],
    }


def _record_verdict(refresh: Refresh, found: dict[str, str], figures: dict[str, Any] | None) -> None:
    refresh.session.execute(
        "publication/record_verdict",
        refresh.params
        | {
            "run_id": refresh.run_id,
            "passed": not found,
            "findings": json.dumps(found),
            "figures": json.dumps(figures) if figures else None,
        },
    )
