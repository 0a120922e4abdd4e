"""The Dagster shell around a stage: an asset that runs it, and the blocking checks that audit it.

Everything that decides anything is in the stage; here errors become failures that say whether a rerun can
help, progress becomes lines in the run's log, and reports become metadata.
"""

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import dagster as dg
import psycopg

from assets import metadata, partitions
from assets.auditing.suite import AuditResult, Suite
from assets.engine import STAGES, audit_stage
from assets.naming import Naming
from assets.refresh import Refresh, StageReport, end_refresh, open_refresh, outcome_of, run_stage
from assets.workbench import Workbench, silent
from resources.errors import CollectionBusy, SuimonError, TransientError

PROGRESS_SECONDS = 10.0
Describe = Callable[[Refresh], Mapping[str, Any]]


@dataclass(frozen=True)
class Room:
    """A stage as Dagster shows it.

    Attributes:
        stage: its name.
        description: what it does, for the UI.
        code_version: of the stage's own code.
        table: the table that it writes.
        columns: of that table: (type, description) by name.
        suite: its audits under default settings: their names and descriptions are shown before any run.
        after: the stage before it.
        kinds: shown as tags on the asset.
        describe: further metadata of a run that changed something.
    """

    stage: str
    description: str
    code_version: str
    table: str
    columns: Mapping[str, tuple[str, str]]
    suite: Suite
    after: str | None = None
    kinds: frozenset[str] = frozenset({"postgres"})
    describe: Describe | None = None


@dataclass
class LogProgress:
    """Tells a run's log how far a long stage is, now and then."""

    log: Any
    _last: float = field(default_factory=time.monotonic)

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Write a line, unless one was written a moment ago."""
        if time.monotonic() - self._last >= PROGRESS_SECONDS:
            self._last = time.monotonic()
            self.log.info(f"{stage}: {done} of {total}" if total else f"{stage}: {done} so far")


@contextmanager
def in_dagsters_terms() -> Iterator[None]:
    """Say in Dagster's terms whether a retry can help; our one line first, the traceback behind it."""
    try:
        yield
    except SuimonError as error:
        retry = isinstance(error, TransientError) and not isinstance(error, CollectionBusy)
        raise dg.Failure(
            description=str(error.args[0]),
            metadata={"error": type(error).__name__, "exit code": error.exit_code, **metadata.of_failure(error)},
            allow_retries=retry,
        ) from error
    except psycopg.Error as error:  # Its message may quote a value; its traceback does not.
        frames = "".join(traceback.format_tb(error.__traceback__))
        kind, state = type(error).__name__, error.sqlstate or "connection lost"
        raise dg.Failure(
            description=f"Postgres refused a statement ({kind}, {state}).",
            metadata={"error": kind, "exit code": 1, "traceback": dg.MetadataValue.md(f"```\n{frames}\n```")},
            allow_retries=isinstance(error, psycopg.OperationalError),
        ) from None


ASKED = {
    "suimon/accept-deletions": "accept_deletions",
    "suimon/accept-growth": "accept_growth",
    "suimon/accept-quality": "accept_quality",
    "suimon/rebuild": "rebuild",
    "suimon/retry": "retry",
}
"""Tags of a run by which a person asks for something, with what each switches on."""


def heed_tags(bench: Workbench, tags: Mapping[str, str]) -> None:
    """Do what the tags of a run ask for, and nothing else; know who asks.

    Args:
        bench: of this run.
        tags: of this run, its job's included.
    """
    for tag, name in ASKED.items():
        setattr(bench, name, tags.get(tag) == "true")
    bench.because = tags.get("suimon/because", "")
    bench.asked_by = tags.get("suimon/by") or tags.get("user") or "somebody in the UI"


@contextmanager
def _joined(context: Any) -> Iterator[Refresh]:
    bench: Workbench = context.resources.workbench
    if bench.progress is silent:
        bench.progress = LogProgress(context.log)
    heed_tags(bench, context.run.tags)
    with in_dagsters_terms(), open_refresh(bench, context.partition_key, context.run.run_id) as refresh:
        yield refresh


def build_asset(room: Room, naming: Naming) -> dg.AssetsDefinition:
    """Make the asset of a stage."""
    key = naming.key(room.stage)

    @dg.asset(
        key=key,
        deps=[naming.key(room.after)] if room.after else [],
        partitions_def=partitions.collections,
        description=room.description,
        group_name="suimon",
        kinds=set(room.kinds),
        owners=list(naming.owners),
        code_version=room.code_version,
        required_resource_keys={"workbench"},
        metadata={
            "dagster/column_schema": metadata.column_schema(room.columns),
            "dagster/table_name": room.table,
        },
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=48), warn_window=timedelta(hours=26)
        ),
    )
    def stage(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with _joined(context) as refresh:
            report = run_stage(refresh, room.stage, STAGES[room.stage])
            further = room.describe(refresh) if room.describe and report.changed else {}
            context.log.info(f"{refresh.name}: {_sentence(report)}")  # noqa: G004  # Dagster shows what it is given.
        return dg.MaterializeResult(metadata={**metadata.of_report(report), **further})

    return stage


def _sentence(report: StageReport) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items() if count)
    return f"{counts or 'nothing to do'} ({report.seconds:.2f} s)"


def build_checks(room: Room, naming: Naming) -> dg.AssetChecksDefinition:
    """Make the checks of a stage: one step, which audits what has no recorded pass."""
    key = naming.key(room.stage)
    specs = [
        dg.AssetCheckSpec(
            audit.name,
            asset=key,
            description=audit.description,
            blocking=audit.finding == "block",
        )
        for audit in room.suite.audits
    ]

    @dg.multi_asset_check(
        name=f"audit_{room.stage}", specs=specs, required_resource_keys={"workbench"}, compute_kind="great_expectations"
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with _joined(context) as refresh:
            found = {result.audit.name: result for result in audit_stage(refresh, room.stage)}
            results = [found.get(audit.name, AuditResult(audit)) for audit in room.suite.audits]
            blocking = [result.audit.name for result in results if result.blocks]
            if blocking:
                end_refresh(refresh.bench, refresh.name, f"blocked: {', '.join(blocking)}")
            elif room.stage == "publication":
                end_refresh(refresh.bench, refresh.name, outcome_of(refresh.stages))
        for result in results:
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=result.audit.name,
                passed=result.passed,
                severity=dg.AssetCheckSeverity.ERROR if result.audit.finding == "block" else dg.AssetCheckSeverity.WARN,
                metadata=metadata.of_audit(result),
            )

    return checks
