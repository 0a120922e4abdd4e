"""The code location: everything that Dagster loads, assembled by one function.

Importing this reads `collections.yaml` and touches nothing else: no database, no endpoint, no parser.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.answers.asset import Evaluated, build_answer_quality
from assets.chunks.asset import ROOM as CHUNKS
from assets.documents.asset import ROOM as DOCUMENTS
from assets.elements.asset import ROOM as ELEMENTS
from assets.naming import Naming
from assets.profiles.asset import build_profile_checks, build_profiles
from assets.publication.asset import ROOM as PUBLICATION
from assets.quality.asset import build_measures
from assets.shell import build_asset, build_checks
from assets.vectors.asset import ROOM as VECTORS
from assets.workbench import Workbench
from pipelines.config import Config, load
from pipelines.jobs import migrate_space_job, refresh_job, retry_job, sweep_job, verify_job
from pipelines.profiles_waiting import profiles_waiting_sensor
from pipelines.profiling import profile_job
from pipelines.schedules import build_schedule, build_upkeep
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
    job, profiling = refresh_job(naming), profile_job(naming)
    schedules = [
        build_schedule(name, settings, job)
        for name, settings in config.declaration.collections.items()
        if settings.schedule
    ]
    upkeep = config.declaration.upkeep
    verify, sweep = verify_job(), sweep_job(keep_days=upkeep.keep_days, keep_publishes=upkeep.keep_publishes)
    if upkeep.verify:
        about = "Compares ledger, chunks, vectors and index."
        schedules.append(build_upkeep("verify_table", upkeep.verify, upkeep.timezone, verify, about))
    if upkeep.sweep:
        about = "Removes what no head and no kept publish reaches."
        schedules.append(build_upkeep("sweep_database", upkeep.sweep, upkeep.timezone, sweep, about))
    return dg.Definitions(
        assets=[
            *(build_asset(room, naming) for room in ROOMS),
            build_profiles(naming),
            *build_measures(naming),
            *_answers(config, naming),
        ],
        asset_checks=[*(build_checks(room, naming) for room in ROOMS), build_profile_checks(naming)],
        jobs=[job, retry_job(naming), profiling, verify, sweep, migrate_space_job()],
        schedules=schedules,
        sensors=[source_changed_sensor(job), profiles_waiting_sensor(profiling, naming)],
        resources={"workbench": make_workbench(config), **(resource_overrides or {})},
        executor=dg.in_process_executor,
    )


def _answers(config: Config, naming: Naming) -> list[dg.AssetsDefinition]:
    """The asset that answers golden questions, where there is an LLM and there are questions."""
    if config.declaration.llm is None or config.declaration.answers.questions is None:
        return []
    return [build_answer_quality(naming, _evaluate)]


def _evaluate(bench: Workbench, collection: str, run_id: str) -> Evaluated:
    from pipelines.evaluating import evaluate_collection  # Only a run that evaluates imports the clients.

    return evaluate_collection(bench, collection, run_id)


read_environment_file()
defs = build_defs()
