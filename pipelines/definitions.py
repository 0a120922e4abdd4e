"""The code location: everything that Dagster loads, assembled by one function.

Importing this reads `collections.yaml` and touches nothing else: no database, no endpoint, no parser.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.chunks.asset import ROOM as CHUNKS
from assets.documents.asset import ROOM as DOCUMENTS
from assets.elements.asset import ROOM as ELEMENTS
from assets.naming import Naming
from assets.publication.asset import ROOM as PUBLICATION
from assets.shell import build_asset, build_checks
from assets.vectors.asset import ROOM as VECTORS
from pipelines.config import Config, load
from pipelines.jobs import refresh_job
from pipelines.schedules import build_schedule
from pipelines.sensors import source_changed_sensor
from pipelines.workbench import make_workbench, read_environment_file

ROOMS = (DOCUMENTS, ELEMENTS, CHUNKS, VECTORS, PUBLICATION)


def build_defs(*, config: Config | None = None, resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Assemble the definitions.

    Args:
        config: by default, `collections.yaml` as found.
        resource_overrides: resources that stand in for the real ones, as in tests.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    config = config or load()
    declared = config.declaration.dagster
    naming = Naming(declared.key_prefix, declared.owners)
    job = refresh_job()
    schedules = [
        build_schedule(name, settings, job)
        for name, settings in config.declaration.collections.items()
        if settings.schedule
    ]
    return dg.Definitions(
        assets=[build_asset(room, naming) for room in ROOMS],
        asset_checks=[build_checks(room, naming) for room in ROOMS],
        jobs=[job],
        schedules=schedules,
        sensors=[source_changed_sensor(job)],
        resources={"workbench": make_workbench(config), **(resource_overrides or {})},
        executor=dg.in_process_executor,
    )


read_environment_file()
defs = build_defs()
