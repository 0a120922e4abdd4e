"""The sensor that has profiles made: after a publish, and again each hour while some are missing.

It remembers nothing: what it asked for is told by the keys of its runs, which are made of what is declared, the last
publish and the hours since.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from assets import partitions
from assets.naming import Naming
from assets.profiles.asset import GOES_ON, PROFILE
from assets.profiles.recipe import profile_recipe
from assets.workbench import Workbench
from pipelines.workbench import make_workbench
from resources.errors import SuimonError

NAME = "profiles_waiting"
TICK_SECONDS = 60
UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class Demand:
    """What a collection wants of its profiles.

    Attributes:
        publish: number of the last one.
        hours: since then, full ones.
        in_force: whether what is declared is what readers see profiles of.
        waiting: documents without a profile.
    """

    publish: int
    hours: int
    in_force: bool
    waiting: int

    @property
    def sentence(self) -> str:
        """What is wanted."""
        waits = "document waits" if self.waiting == 1 else "documents wait"
        return f"{self.waiting} {waits} for a profile" if self.in_force else "what is declared is not in force yet"


def read_demand(bench: Workbench, name: str) -> tuple[Demand, str] | None:
    """Return what a collection wants, and a key that tells it from what it wanted before; None if it wants nothing.

    Args:
        bench: settings and doors.
        name: of a collection that asks for profiles.

    Raises:
        ConfigurationError: no LLM is declared.
    """
    wanted = bench.collection(name).profiles
    assert wanted is not None
    recipe = profile_recipe(wanted, bench.declared_llm).params()
    with bench.database.connect() as session:
        params = {"name": name, "stage": recipe["stage"], "declared": recipe["declared"]}
        found = session.rows(Demand, "profiles/read_demand", params)
    if not found or (found[0].in_force and not found[0].waiting):
        return None
    return found[0], f"{name}-{recipe['declared'][:8]}-{found[0].publish}-{found[0].hours}"


def profiles_waiting_sensor(job: Any, naming: Naming) -> dg.SensorDefinition:
    """Return the sensor.

    Args:
        job: what it launches.
        naming: of this deployment.
    """

    @dg.sensor(
        name=NAME,
        job=job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has an LLM describe published documents without a profile, where a collection asks for it.",
    )
    def profiles_waiting(context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        try:
            bench = make_workbench()
        except SuimonError as error:
            return dg.SkipReason(str(error))
        names = [name for name, settings in bench.collections.items() if settings.profiles]
        if not names:
            return dg.SkipReason("no collection asks for profiles")
        partitions.register(context.instance, names)
        seen = [_look(context.instance, naming, bench, name) for name in names]
        requests = [one for one in seen if isinstance(one, dg.RunRequest)]
        return requests or dg.SkipReason("; ".join(dict.fromkeys(str(one) for one in seen)))

    return profiles_waiting


def _look(instance: dg.DagsterInstance, naming: Naming, bench: Workbench, name: str) -> dg.RunRequest | str:
    """Return what to launch for a collection, or why nothing is."""
    try:
        found = read_demand(bench, name)
    except SuimonError as error:
        return str(error)
    if found is None:
        return f"{name}: no document waits for a profile"
    demand, key = found
    wanted = bench.collection(name).profiles
    assert wanted is not None
    if _is_under_way(instance, name, wanted.seconds_per_run + 3600):
        return f"{name}: {demand.sentence}; a run is under way"
    key += _continuation(instance, naming, name)
    mine = {"dagster/run_key": key, "dagster/sensor_name": NAME}
    if instance.get_runs_count(dg.RunsFilter(tags=mine)):
        return f"{name}: {demand.sentence}; asked for already, and again an hour later"
    return dg.RunRequest(run_key=key, partition_key=name, tags={"suimon/collection": name})


def _is_under_way(instance: dg.DagsterInstance, name: str, seconds: float) -> bool:
    """Say whether somebody has profiles made; a run that a dead host left behind is not waited for."""
    since = datetime.now(UTC) - timedelta(seconds=seconds)
    runs = dg.RunsFilter(job_name=PROFILE, tags={"dagster/partition": name}, statuses=UNDER_WAY, created_after=since)
    return instance.get_runs_count(runs) > 0


def _continuation(instance: dg.DagsterInstance, naming: Naming, name: str) -> str:
    """Tell a run by the one before it where that one ended only to let others in: the next begins at once."""
    records = dg.AssetRecordsFilter(asset_key=naming.key("profiles"), asset_partitions=[name])
    last = instance.fetch_materializations(records, limit=1).records
    if not last or last[0].asset_materialization is None:
        return ""
    goes_on = last[0].asset_materialization.metadata.get(GOES_ON)
    return f"-{last[0].run_id[:8]}" if goes_on is not None and goes_on.value else ""
