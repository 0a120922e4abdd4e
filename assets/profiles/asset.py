"""The asset `corpus/profiles`: after the publish, in a run of its own, and never in its way."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg

from assets import metadata, partitions
from assets.auditing.suite import AuditResult
from assets.naming import Naming
from assets.profiles.audits import suite
from assets.profiles.recipe import PROFILE_CODE_VERSION
from assets.profiles.stage import audit, open_profiling, run
from assets.refresh import Refresh
from assets.shell import LogProgress, heed_tags, in_dagsters_terms, sentence
from assets.workbench import Workbench, silent

PROFILE = "profile"
"""The job."""
GOES_ON = "goes on"
"""Metadata: whether the run ended only to let others in, so that the next may begin at once."""
LOOK_SECONDS = 5.0

COLUMNS = {
    "elements_id": ("bigint", "The parse that it describes."),
    "profile": ("jsonb", "Title, summary, keywords, entities, kind, language and declared fields."),
    "entities": ("integer", "Entities that the model named."),
    "entities_dropped": ("integer", "Of these, not in the text."),
    "parts": ("integer", "Parts that the text was cut into."),
    "model": ("text", "Model that answered."),
}


@dataclass
class Queue:
    """Says, every few seconds anew, whether another run of the partition waits for this one to end.

    Runs of one collection wait for each other in Dagster, and a model takes its time: the text comes first.
    """

    instance: dg.DagsterInstance
    partition: str
    _looked: float = -math.inf

    def __call__(self) -> bool:
        """Say whether a run is queued that is not about profiles."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        queued = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED], tags={"dagster/partition": self.partition})
        return any(run.job_name != PROFILE for run in self.instance.get_runs(queued, limit=10))


@contextmanager
def _joined(context: Any) -> Iterator[Refresh]:
    bench: Workbench = context.resources.workbench
    if bench.progress is silent:
        bench.progress = LogProgress(context.log)
    bench.gives_way = Queue(context.instance, context.partition_key)
    heed_tags(bench, context.run.tags)
    with in_dagsters_terms(), open_profiling(bench, context.partition_key, context.run.run_id) as refresh:
        yield refresh


def build_profiles(naming: Naming) -> dg.AssetsDefinition:
    """Make the asset.

    Args:
        naming: of this deployment.
    """

    @dg.asset(
        key=naming.key("profiles"),
        deps=[naming.key("publication")],
        partitions_def=partitions.collections,
        description=(
            "What an LLM says of each published document: title, summary, keywords, entities, kind, language and the "
            "fields that the collection declares. Follows the text and never holds it up; nothing is asked twice."
        ),
        group_name="suimon",
        kinds={"postgres", "openai"},
        owners=list(naming.owners),
        code_version=PROFILE_CODE_VERSION,
        required_resource_keys={"workbench"},
        metadata={"dagster/column_schema": metadata.column_schema(COLUMNS), "dagster/table_name": "corpus.profiles"},
    )
    def profiles(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with _joined(context) as refresh:
            report = run(refresh)
            context.log.info(f"{refresh.name}: {sentence(report)}")  # noqa: G004  # Dagster shows what it is given.
        return dg.MaterializeResult(metadata={**metadata.of_report(report), GOES_ON: report.goes_on})

    return profiles


def build_profile_checks(naming: Naming) -> dg.AssetChecksDefinition:
    """Make its checks: one step, which audits what has no recorded pass, and shows what passed.

    Args:
        naming: of this deployment.
    """
    key = naming.key("profiles")
    audits = suite().audits
    specs = [dg.AssetCheckSpec(one.name, asset=key, description=one.description) for one in audits]

    @dg.multi_asset_check(
        name="audit_profiles", specs=specs, required_resource_keys={"workbench"}, compute_kind="great_expectations"
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with _joined(context) as refresh:
            found = {result.audit.name: result for result in audit(refresh)}
        for one in audits:
            result = found.get(one.name, AuditResult(one))
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=one.name,
                passed=result.passed,
                severity=dg.AssetCheckSeverity.WARN,
                metadata=metadata.of_audit(result),
            )

    return checks
