"""The schedules: one for each collection that declares `schedule:`, and those that keep the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets import partitions
from assets.settings import Collection


def build_schedule(name: str, settings: Collection, job: Any) -> dg.ScheduleDefinition:
    """Return the nightly refresh of a collection.

    Args:
        name: the collection.
        settings: with a cron expression.
        job: what it launches.
    """

    def requests(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        partitions.register(context.instance, [name])
        yield dg.RunRequest(partition_key=name, tags={"suimon/collection": name})

    return dg.ScheduleDefinition(
        name=f"refresh_{name}",
        job=job,
        cron_schedule=settings.schedule or "",
        execution_timezone=settings.timezone,
        execution_fn=requests,
        description=f"Refresh of {name}, as collections.yaml declares.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def build_upkeep(name: str, cron: str, timezone: str, job: dg.JobDefinition, description: str) -> dg.ScheduleDefinition:
    """Return the schedule of a job that keeps the database.

    Args:
        name: of the schedule.
        cron: when.
        timezone: of the cron expression.
        job: what it launches.
        description: for the UI.
    """
    return dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone=timezone,
        description=description,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
