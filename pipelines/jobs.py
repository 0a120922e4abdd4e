"""The jobs: named selections of assets, each with a sentence that says when to launch it.

`refresh` and `retry` are every stage and audit of one collection, in one process. Runs of different collections
go side by side; runs of one collection wait for each other by their tag (see deploy/dagster.yaml) and, whatever
the deployment, by the collection's lease. `verify`, `sweep` and `migrate_space` are about the database, not
about an asset.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from assets.answers.asset import GROUP
from assets.shell import LogProgress, heed_tags, in_dagsters_terms
from assets.workbench import Workbench, silent

REFRESH, RETRY, VERIFY, SWEEP, MIGRATE_SPACE = "refresh", "retry", "verify", "sweep", "migrate_space"


def _all_but_answers() -> dg.AssetSelection:
    """Everything but what asks an LLM about questions: a refresh does not pay for that."""
    return dg.AssetSelection.all() - dg.AssetSelection.groups(GROUP)


def refresh_job() -> Any:
    """Return the job that brings a collection up to date."""
    return dg.define_asset_job(
        REFRESH,
        selection=_all_but_answers(),
        description="Bring one collection up to date: scan, parse, cut, embed, audit and publish what changed.",
        executor_def=dg.in_process_executor,
    )


def retry_job() -> Any:
    """Return the job that tries again what is in quarantine."""
    return dg.define_asset_job(
        RETRY,
        selection=_all_but_answers(),
        description="Refresh one collection, and try its quarantined documents and chunks again.",
        executor_def=dg.in_process_executor,
        tags={"suimon/retry": "true"},
    )


class VerifyConfig(dg.Config):
    """What the comparison does.

    Attributes:
        collections: which; all that the database has, if none is named.
        repair: whether what differs is mended.
    """

    collections: list[str] = Field(default_factory=list)
    repair: bool = False


@dg.op(
    required_resource_keys={"workbench"},
    description="Compares ledger, chunks, vectors and index; fails if they differ and are not mended.",
)
def compare(context: dg.OpExecutionContext, config: VerifyConfig) -> None:
    """Run `verify` and show what it found."""
    from assets.upkeep.verify import verify

    bench: Workbench = context.resources.workbench
    with in_dagsters_terms():
        heed_tags(bench, context.run.tags)
        found = verify(bench, config.collections or None, repair=config.repair, run_id=context.run_id)
    left = [finding for finding in found if finding.left]
    context.add_output_metadata(
        {"findings": len(found), "left": len(left), **{finding.kind: finding.sentence for finding in found}}
    )
    if left:
        raise dg.Failure(
            description="; ".join(finding.sentence for finding in left)
            + ". `suimon verify --repair`, or this job with repair: true, mends it.",
            allow_retries=False,
        )


class SweepConfig(dg.Config):
    """What the garbage collection keeps.

    Attributes:
        keep_days: days for which every publish can be brought back.
        keep_publishes: publishes of each collection that can be brought back, however old.
    """

    keep_days: int = 7
    keep_publishes: int = 3


@dg.op(
    required_resource_keys={"workbench"},
    description="Removes what no head and no kept publish reaches, in batches, beside refreshes.",
)
def collect_garbage(context: dg.OpExecutionContext, config: SweepConfig) -> None:
    """Run `sweep` and show what it removed."""
    from assets.upkeep.sweep import sweep

    bench: Workbench = context.resources.workbench
    with in_dagsters_terms():
        report = sweep(bench, run_id=context.run_id, keep_days=config.keep_days, keep_publishes=config.keep_publishes)
    context.add_output_metadata(
        {"bytes before": report.bytes_before, "bytes after": report.bytes_after, **dict(report.removed)}
    )


class MigrateSpaceConfig(dg.Config):
    """Which space is filled.

    Attributes:
        space: a declared space.
        promote: whether readers are to see it once it is complete.
    """

    space: str
    promote: bool = False


@dg.op(
    required_resource_keys={"workbench"},
    description="Adds a declared space, fills it with every declared collection, and promotes it if asked to.",
)
def fill_space(context: dg.OpExecutionContext, config: MigrateSpaceConfig) -> None:
    """Fill a space and show how far each collection is in it."""
    from assets.upkeep.migrating import migrate_space

    bench: Workbench = context.resources.workbench
    if bench.progress is silent:
        bench.progress = LogProgress(context.log)
    with in_dagsters_terms():
        heed_tags(bench, context.run.tags)
        moved = migrate_space(bench, config.space, promote=config.promote, run_id=context.run_id)
    context.add_output_metadata(
        {
            "space": config.space, "dimensions": moved.space.dimensions, "storage": moved.space.storage,
            "complete": not moved.obstacles, "promoted": moved.promoted,
            **{f"texts of {name}": count for name, count in moved.texts.items()},
        }
    )  # fmt: skip
    if moved.obstacles:
        raise dg.Failure(description=" ".join(moved.obstacles), allow_retries=True)


def migrate_space_job() -> dg.JobDefinition:
    """Return the job that moves to another model."""

    @dg.job(
        name=MIGRATE_SPACE,
        executor_def=dg.in_process_executor,
        description="Fill a declared vector space beside the live one; with promote: true, let readers see it then.",
    )
    def job() -> None:
        fill_space()

    return job


def verify_job() -> dg.JobDefinition:
    """Return the job that compares ledger, chunks, vectors and index."""

    @dg.job(
        name=VERIFY,
        executor_def=dg.in_process_executor,
        description="Compare ledger, chunks, vectors and index; with repair: true, mend what differs.",
    )
    def job() -> None:
        compare()

    return job


def sweep_job(*, keep_days: int, keep_publishes: int) -> dg.JobDefinition:
    """Return the garbage collection.

    Args:
        keep_days: days for which every publish can be brought back.
        keep_publishes: publishes of each collection that can be brought back, however old.
    """
    config = {"ops": {"collect_garbage": {"config": {"keep_days": keep_days, "keep_publishes": keep_publishes}}}}

    @dg.job(
        name=SWEEP,
        executor_def=dg.in_process_executor,
        config=config,
        description="Remove what no head and no kept publish reaches.",
    )
    def job() -> None:
        collect_garbage()

    return job
