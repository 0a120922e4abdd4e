"""The stages and audits of a refresh in order, without Dagster: for tests and benchmarks.

The Dagster assets call the same functions, one a step.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from assets.auditing.audit import run_suite
from assets.auditing.suite import AuditResult, Suite
from assets.chunks import audits as chunk_audits
from assets.chunks import stage as chunk_stage
from assets.documents import audits as document_audits
from assets.documents import stage as document_stage
from assets.elements import audits as element_audits
from assets.elements import stage as element_stage
from assets.publication import audits as publication_audits
from assets.publication import stage as publication_stage
from assets.refresh import Refresh, Stage, StageReport, end_refresh, open_refresh, outcome_of, run_stage
from assets.vectors import audits as vector_audits
from assets.vectors import stage as vector_stage
from assets.vectors.spaces import find_space
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


def suite_of(refresh: Refresh, stage: str) -> Suite | None:
    """Return the suite that is audited after a stage, under the settings in force."""
    if stage == "documents":
        bench = refresh.bench
        return document_audits.suite(
            refresh.settings.limits, accept_deletions=bench.accept_deletions, accept_growth=bench.accept_growth
        )
    if stage == "elements":
        return element_audits.suite()
    if stage == "chunks":
        return chunk_audits.suite(refresh.settings.chunking)
    if stage == "vectors":
        space = find_space(refresh.session, refresh.bench.space_name)
        return vector_audits.suite(space.dimensions, normalised=space.normalised) if space else None
    return publication_audits.suite()


def audit_stage(refresh: Refresh, stage: str) -> list[AuditResult]:
    """Run the audits that follow a stage; none if the stage had nothing to do."""
    flipped = bool(refresh.stages.get(stage, {}).get("changed", False))
    idle = not flipped if stage == "publication" else refresh.converged
    suite = None if idle else suite_of(refresh, stage)
    results = run_suite(refresh, suite) if suite else []
    failpoints.reach(f"{stage}.audited")
    return results


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
    return summary
