"""The job that has documents described, and launching it from a process of our own, through Dagster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from assets import partitions
from assets.naming import Naming
from assets.profiles.asset import PROFILE
from assets.workbench import Workbench
from pipelines.config import Config
from pipelines.instance import open_instance
from pipelines.launching import execute, failed_step


@dataclass
class ProfileRun:
    """How the profiles of one collection were brought up to date.

    Attributes:
        collection: which.
        run_id: in Dagster.
        counts: what was done.
        findings: of the audits that found something.
        notes: why documents wait yet.
        failure: one sentence, if it failed; what readers see of the text is the same then.
        exit_code: 0, or that of the failure.
        seconds: wall time.
    """

    collection: str
    run_id: str
    counts: dict[str, Any] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failure: str | None = None
    exit_code: int = 0
    seconds: float = 0.0


def profile_job(naming: Naming) -> Any:
    """Return the job that has documents described.

    Args:
        naming: of this deployment.
    """
    return dg.define_asset_job(
        PROFILE,
        selection=dg.AssetSelection.assets(naming.key("profiles")),
        description="Have an LLM describe the published documents of one collection that have no profile yet.",
        executor_def=dg.in_process_executor,
    )


def launch_profiles(config: Config, bench: Workbench, names: Sequence[str]) -> list[ProfileRun]:
    """Bring profiles up to date through Dagster.

    Args:
        config: the declaration.
        bench: settings and doors of this process.
        names: declared collections.
    """
    from pipelines.definitions import build_defs

    job = build_defs(config=config, resource_overrides={"workbench": bench}).resolve_job_def(PROFILE)
    with open_instance(config) as instance:
        partitions.register(instance, config.declaration.collections)
        return [_launch_one(job, instance, bench, name) for name in names]


def _launch_one(job: Any, instance: Any, bench: Workbench, name: str) -> ProfileRun:
    started = time.perf_counter()
    result = execute(job, instance, bench, name)
    run = ProfileRun(name, result.run_id, seconds=round(time.perf_counter() - started, 2))
    for event in result.get_asset_materialization_events():
        found = {key: value.value for key, value in event.materialization.metadata.items()}
        run.notes = [line.removeprefix("- ") for line in str(found.pop("notes", "")).splitlines()]
        run.counts = found
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed:
            run.findings[evaluation.check_name] = int(str(evaluation.metadata["findings"].value))
    if not result.success:
        run.failure, run.exit_code = _why(result)
    return run


def _why(result: Any) -> tuple[str, int]:
    """Say in one sentence why a run failed, and with which code to exit."""
    step, said = failed_step(result)
    if step is None:
        return f"It failed before any step ran; run {result.run_id} in the UI says why.", 1
    return said or (f"A fault of ours; the traceback is in run {result.run_id}, in the UI.", 1)
