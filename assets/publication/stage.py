"""The publication stage: ask the gate, then move the heads of a collection in one short transaction."""

from __future__ import annotations

import json
import time
from typing import Any

import psycopg

from assets.auditing.audit import suite_id
from assets.chunks import audits as chunk_audits
from assets.documents.patterns import PARTS_OF_URI, placeholders
from assets.elements import audits as element_audits
from assets.publication.gate import COUNTED, Accepted, GateFacts, findings, overruled
from assets.refresh import Refresh, StageReport
from assets.settings import Collection
from assets.vectors import audits as vector_audits
from assets.vectors.spaces import KnownSpace, find_space
from resources import failpoints
from resources.errors import GateClosed

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
    space = find_space(refresh.session, refresh.bench.space_name)
    if space is None:  # Nothing was ever embedded: an empty source.
        return report
    pin = refresh.session.record("publication/read_pin", refresh.params)
    if pin["pinned_to"] is not None:
        with refresh.writing():
            _settle(refresh, space)
        report.counts = {"prepared": pin["candidates"], "pinned_to": pin["pinned_to"]}
        return report
    suites = _suites(refresh, space)
    _build_index(refresh, space, report)
    failpoints.reach("publication.indexed")
    try:
        counts = _publish(refresh, space, suites)
    except GateClosed as closed:
        _record_verdict(refresh, closed.args[1] if len(closed.args) > 1 else {})
        raise
    failpoints.reach("publication.committed")
    if counts is None:
        return report
    _record_verdict(refresh, {})
    failpoints.reach("publication.verdict_recorded")
    report.counts |= counts
    report.changed = True
    return report


def _publish(refresh: Refresh, space: KnownSpace, suites: dict[str, int]) -> dict[str, Any] | None:
    """Gate and flip in one transaction that sees one state throughout; what was moved, or None for nothing.

    The lease's row is renewed by a thread: the transaction begins again where that came in between.
    """
    for attempt in range(ATTEMPTS):
        try:
            with refresh.writing(repeatable_read=True):
                _pass_gate(refresh, space, suites)
                failpoints.reach("publication.gated")
                counts = _flip(refresh, space, suites)
                _mark_converged(refresh, space)
                failpoints.reach("publication.committing")
        except _NothingToMove:
            with refresh.writing():
                _mark_converged(refresh, space)
            return None
        except psycopg.errors.SerializationFailure:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.05 * (attempt + 1))
        else:
            return counts
    raise AssertionError("a loop that returns or raises")


def _mark_converged(refresh: Refresh, space: KnownSpace) -> None:
    """Let the next refresh stop early, unless something is still waiting to be read, cut, embedded or shown."""
    _settle(refresh, space)
    if not refresh.session.value("publication/has_leftovers", refresh.params):
        refresh.session.execute("publication/mark_converged", refresh.params | {"fingerprint": refresh.fingerprint})


def _settle(refresh: Refresh, space: KnownSpace) -> None:
    """Forget what wanted a vector again and has it."""
    params = refresh.params | {"space_id": space.space_id}
    refresh.session.execute("vectors/settle_wanted", params, vectors=space.table)


def _suites(refresh: Refresh, space: KnownSpace) -> dict[str, int]:
    session = refresh.session
    return {
        "element_suite": suite_id(session, element_audits.suite()),
        "chunk_suite": suite_id(session, chunk_audits.suite(refresh.settings.chunking)),
        "vector_suite": suite_id(session, vector_audits.suite(space.dimensions, normalised=space.normalised)),
    }


def _build_index(refresh: Refresh, space: KnownSpace, report: StageReport) -> None:
    """Build the index after the first load, before anybody searches."""
    started = time.perf_counter()
    if refresh.session.value("vectors/build_index", {"space_id": space.space_id}):
        report.counts["index_built"] = 1
        report.counts["index_milliseconds"] = round(1000 * (time.perf_counter() - started))


def _pass_gate(refresh: Refresh, space: KnownSpace, suites: dict[str, int]) -> None:
    params = refresh.params | suites | {"space_id": space.space_id}
    facts = GateFacts(**refresh.session.record("publication/read_gate", params, vectors=space.table))
    limits = refresh.settings.limits
    accepted = Accepted(refresh.bench.accept_deletions, refresh.bench.accept_growth)
    found = findings(facts, limits, accepted)
    if found:
        raise GateClosed(f"{refresh.name} was not published: {'; '.join(found.values())}.", found)
    for kind, seen in overruled(facts, limits, accepted).items():
        refresh.session.execute(
            "publication/record_confirmation",
            refresh.params
            | {"kind": kind, "run_id": refresh.run_id, "by": refresh.bench.asked_by, "seen": json.dumps(seen)},
        )


def _flip(refresh: Refresh, space: KnownSpace, suites: dict[str, int]) -> dict[str, Any]:
    session = refresh.session
    before = session.record("publication/count_heads", refresh.params)
    publish = session.record(
        "publication/insert_publish",
        refresh.params
        | {"refresh_id": refresh.refresh_id, "run_id": refresh.run_id, "kind": "refresh", "restores": None},
    )
    params = refresh.params | {"publish_id": publish["publish_id"], "collection": refresh.name}
    wanted = params | suites | {"space_id": space.space_id} | _link(refresh.settings)
    if not session.execute("publication/insert_changes", wanted, vectors=space.table):
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


def _record_verdict(refresh: Refresh, found: dict[str, str]) -> None:
    refresh.session.execute(
        "publication/record_verdict",
        refresh.params | {"run_id": refresh.run_id, "passed": not found, "findings": json.dumps(found)},
    )
