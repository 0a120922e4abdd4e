"""Profiles from a process of our own, through Dagster, and the sensor that has them made after a publish."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from assets import partitions
from assets.naming import Naming
from assets.workbench import Workbench
from pipelines.config import Config
from pipelines.instance import open_instance
from pipelines.launching import execute, failed_step
from pipelines.workbench import make_workbench
from resources.errors import SuimonError

PROFILE = "profile"
TICK_SECONDS = 60


@dataclass
class ProfileRun:
    """How the profiles of one collection were brought up to date.

    Attributes:
        collection: which.
        run_id: in Dagster.
        counts: what was done.
        failure: one sentence, if it failed; what readers see of the text is the same then.
        exit_code: 0, or that of the failure.
        seconds: wall time.
    """

    collection: str
    run_id: str
    counts: dict[str, Any] = field(default_factory=dict)
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
        run.counts = {key: value.value for key, value in event.materialization.metadata.items()}
    step, said = failed_step(result)
    if step is not None:
        run.failure, run.exit_code = said or (f"a fault of ours; the traceback is in run {result.run_id}.", 1)
    return run


def waiting_digest(bench: Workbench, name: str) -> str | None:
    """Return what tells this state of the profiles from another, or None if none is waited for.

    Args:
        bench: settings and doors.
        name: the collection.
    """
    with bench.database.connect() as session:
        found = session.records("profiles/read_collection", {"name": name})
        if not found:
            return None
        params = {"collection_id": found[0]["collection_id"]}
        if found[0]["profile_recipe_id"] is None:
            return "first"
        waiting = session.record("profiles/count_unprofiled", params)
    return f"{waiting['waiting']}-{waiting['bytes']}" if waiting["waiting"] else None


def profiles_waiting_sensor(job: Any) -> dg.SensorDefinition:
    """Return the sensor that has profiles made: after each publish, and again each hour while some are missing.

    Args:
        job: what it launches.
    """

    @dg.sensor(
        name="profiles_waiting",
        job=job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has an LLM describe published documents without a profile, where a collection asks for it.",
    )
    def profiles_waiting(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        asked = False
        try:
            bench = make_workbench()
            wanting = [name for name, settings in bench.collections.items() if settings.profiles and bench.llm]
            if wanting:
                partitions.register(context.instance, bench.collections)
            for name in wanting:
                digest = waiting_digest(bench, name)
                if digest is not None:
                    asked = True
                    key = f"{name}-{digest}-{int(time.time()) // 3600}"
                    yield dg.RunRequest(run_key=key, partition_key=name, tags={"suimon/collection": name})
        except SuimonError as error:
            yield dg.SkipReason(str(error))
            return
        if not asked:
            yield dg.SkipReason("no document waits for a profile")

    return profiles_waiting
