"""Refreshing from a process of our own, through Dagster: the run, its events and its checks are in the UI.

One collection after the other, in this process. Side by side is what backfills and schedules are for.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from assets import partitions
from assets.refresh import end_refresh
from assets.workbench import Workbench
from pipelines.config import Config
from pipelines.instance import open_instance
from pipelines.workbench import whoami

DELETIONS = {"source_was_not_emptied", "few_documents_vanished"}
GROWTH = "growth_is_within_limits"


@dataclass
class Run:
    """How the refresh of one collection ended.

    Attributes:
        collection: which.
        run_id: in Dagster.
        stages: reports by stage, as in the ledger.
        checks: (passed, findings, blocking) by name.
        failure: one sentence, if it failed.
        exit_code: 0, or that of the failure.
        seconds: wall time.
    """

    collection: str
    run_id: str
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    failure: str | None = None
    exit_code: int = 0
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether the refresh wrote anything but the ledger's line."""
        return any(report.get("changed") for report in self.stages.values())


def launch(config: Config, bench: Workbench, names: Sequence[str]) -> list[Run]:
    """Refresh collections through Dagster.

    Args:
        config: the declaration.
        bench: settings and doors of this process; what it was asked for becomes tags of the runs.
        names: declared collections.
    """
    import dagster as dg

    from pipelines.definitions import build_defs

    definitions = build_defs(config=config, resource_overrides={"workbench": bench})
    job = definitions.resolve_job_def("refresh")
    with open_instance(config) as instance:
        partitions.register(instance, config.declaration.collections)
        return [_launch_one(dg, job, instance, bench, name) for name in names]


def execute(job: Any, instance: Any, bench: Workbench, name: str) -> Any:
    """Run a job for one collection in this process, and return Dagster's result.

    Args:
        job: a resolved job.
        instance: Dagster's.
        bench: what it was asked for becomes tags of the run.
        name: the collection.
    """
    from assets.shell import ASKED

    asked = {tag: "true" for tag, attribute in ASKED.items() if getattr(bench, attribute)}
    if bench.because:
        asked["suimon/because"] = bench.because
    return job.execute_in_process(
        instance=instance,
        partition_key=name,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        tags={"suimon/collection": name, "suimon/by": whoami()} | asked,
    )


def failed_step(result: Any) -> tuple[Any, tuple[str, int] | None]:
    """Return the event of the first step that failed, or None, and what it said in our words, with its exit code.

    Args:
        result: of a run.
    """
    for event in result.all_events:
        if event.is_step_failure:
            ours = event.step_failure_data.user_failure_data
            if ours is None or not ours.description:
                return event, None
            code = ours.metadata.get("exit code")
            return event, (str(ours.description), int(code.value) if code else 1)
    return None, None


def _launch_one(dg: Any, job: Any, instance: Any, bench: Workbench, name: str) -> Run:
    started = time.perf_counter()
    result = execute(job, instance, bench, name)
    run = Run(name, result.run_id, seconds=round(time.perf_counter() - started, 2))
    with bench.database.connect() as session:
        found = session.records("status/read_stages", {"run_id": result.run_id})
        run.stages = found[0]["stages"] if found else {}
    for evaluation in result.get_asset_check_evaluations():
        run.checks[evaluation.check_name] = {
            "asset": evaluation.asset_key.to_user_string(),
            "passed": evaluation.passed,
            "blocking": evaluation.severity == dg.AssetCheckSeverity.ERROR,
            "findings": evaluation.metadata["findings"].value,
            "rows": evaluation.metadata["rows audited"].value,
        }
    if not result.success:
        end_refresh(bench, name, "failed")
        run.failure, run.exit_code = _why(result, name, run)
    return run


def _why(result: Any, name: str, run: Run) -> tuple[str, int]:
    """Say in one sentence why a run failed, and with which code to exit."""
    blocked = [check for check, found in run.checks.items() if found["blocking"] and not found["passed"]]
    if blocked:
        why = (
            f"{name} was not published: the audit {', '.join(blocked)} failed. Readers keep what they had; the run "
            f"{result.run_id} in the UI shows the counts."
        )
        if set(blocked) & DELETIONS:
            why += " If the documents are meant to go, confirm with --accept-deletions."
        if GROWTH in blocked:
            why += " If so many documents are meant to come, confirm with --accept-growth."
        return why, 3
    step, said = failed_step(result)
    if said is not None:
        return said
    if step is None:
        return f"{name} failed before any step ran; run {result.run_id} in the UI says why.", 1
    error = step.step_failure_data.error
    why = (
        f"{name} failed in the step {step.step_key} with a fault of ours ({error.cls_name if error else 'unknown'}); "
        f"the traceback is in run {result.run_id}, in the UI or in Dagster's event log."
    )
    return why, 1
