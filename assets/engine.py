"""The stages and audits of a refresh in order, without Dagster: for tests and benchmarks.

The Dagster assets call the same functions, one a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from assets.auditing.audit import run_suite
from assets.auditing.suite import AuditResult, Suite, merge
from assets.chunks import audits as chunk_audits
from assets.chunks import stage as chunk_stage
from assets.documents import audits as document_audits
from assets.documents import stage as document_stage
from assets.elements import audits as element_audits
from assets.elements import stage as element_stage
from assets.publication import audits as publication_audits
from assets.publication import stage as publication_stage
from assets.quality.stage import MEASUREMENTS, run_measurement
from assets.refresh import Refresh, Stage, StageReport, end_refresh, note, open_refresh, outcome_of, run_stage
from assets.vectors import audits as vector_audits
from assets.vectors import stage as vector_stage
from assets.workbench import Workbench
from resources import failpoints
from resources.errors import GateClosed

STAGES: dict[str, Stage] = {
    "documents": document_stage.run,
    "elements": element_stage.run,
    "chunks": chunk_stage.run,
    "vectors": vector_stage.run,
    "publication": publication_stage.run,
}


def suite_of(refresh: Refresh, stage: str) -> Suite:
    """Return the suite that is audited after a stage which does not depend on a space, under the settings in force."""
    if stage == "documents":
        bench = refresh.bench
        return document_audits.suite(
            refresh.settings.limits, accept_deletions=bench.accept_deletions, accept_growth=bench.accept_growth
        )
    return element_audits.suite() if stage == "elements" else chunk_audits.suite(refresh.settings.chunking)


def audit_stage(refresh: Refresh, stage: str) -> list[AuditResult]:
    """Run the audits that follow a stage; none if the stage had nothing to do."""
    flipped = bool(refresh.stages.get(stage, {}).get("changed", False))
    idle = not flipped if stage == "publication" else refresh.converged
    results = [] if idle else _AUDITS.get(stage, _audit_content)(refresh, stage)
    failpoints.reach(f"{stage}.audited")
    return results


def _audit_content(refresh: Refresh, stage: str) -> list[AuditResult]:
    return run_suite(refresh, suite_of(refresh, stage))


def _audit_vectors(refresh: Refresh, stage: str) -> list[AuditResult]:
    """Audit the vectors of every kept space; a fault in one that is only being filled blocks nothing."""
    found = []
    for space in refresh.spaces():
        suite = vector_audits.suite(space.dimensions, normalised=space.normalised)
        if space.demanded:
            found.append(run_suite(refresh, suite, space))
            continue
        results = run_suite(refresh, suite, space, unasked={vector_audits.COMPLETE})
        failed = [result.audit.name for result in results if result.blocks]
        if failed:
            note(
                refresh, stage,
                f"The vectors of {refresh.name} in space {space.name}, which is being filled, did not pass "
                f"{', '.join(failed)}, and were taken back; see {results[0].report or 'the Data Docs'}.",
            )  # fmt: skip
    return merge(found)


def _audit_heads(refresh: Refresh, _: str) -> list[AuditResult]:
    """Audit what readers see in every space in which they see all of it."""
    suite = publication_audits.suite()
    return merge(run_suite(refresh, suite, space) for space in refresh.spaces() if space.demanded)


_AUDITS: dict[str, Callable[[Refresh, str], list[AuditResult]]] = {
    "vectors": _audit_vectors,
    "publication": _audit_heads,
}


@dataclass
class Summary:
    """What a refresh did.

    Attributes:
        reports: by stage.
        audits: by stage.
        audit_seconds: wall time of the audits, by stage.
    """

    reports: dict[str, StageReport] = field(default_factory=dict)
    audits: dict[str, list[AuditResult]] = field(default_factory=dict)
    audit_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether anything but the ledger was written."""
        return any(report.changed for report in self.reports.values())


def refresh_collection(bench: Workbench, name: str, run_id: str) -> Summary:
    """Refresh one collection.

    Args:
        bench: settings and doors.
        name: the collection.
        run_id: names the refresh in the ledger.

    Raises:
        GateClosed: an audit or the gate keeps the publish back.
        SuimonError: any stage failed.
    """
    summary = Summary()
    with open_refresh(bench, name, run_id) as refresh:
        for stage, run in STAGES.items():
            summary.reports[stage] = run_stage(refresh, stage, run)
            started = time.perf_counter()
            results = summary.audits[stage] = audit_stage(refresh, stage)
            summary.audit_seconds[stage] = time.perf_counter() - started
            failed = [result.audit.name for result in results if result.blocks]
            if failed:
                raise GateClosed(f"{name} was not published: {', '.join(failed)} failed after the {stage} stage.")
        outcome = outcome_of(refresh.stages)
    end_refresh(bench, name, outcome)
    for stage in MEASUREMENTS:
        summary.reports[stage] = run_measurement(bench, name, run_id, stage).report
    return summary
