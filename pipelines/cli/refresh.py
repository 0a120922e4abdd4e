"""`suimon refresh`: bring collections up to date now, through Dagster."""

from __future__ import annotations

import logging
import warnings
from dataclasses import asdict

import click

from assets.engine import STAGES
from assets.quality.evaluation import LEGS
from assets.quality.stage import MEASUREMENTS
from assets.workbench import Workbench
from pipelines.cli.output import console, emit_json, progress_bars
from pipelines.cli.profile import show as show_profiles
from pipelines.config import Config, load
from pipelines.launching import Run, launch
from pipelines.profiling import ProfileRun, launch_profiles
from pipelines.workbench import make_workbench


@click.command()
@click.argument("collections", nargs=-1)
@click.option("--accept-deletions", is_flag=True, help="Let documents go that vanished from the source, however many.")
@click.option("--accept-growth", is_flag=True, help="Let documents come, however many are new.")
@click.option("--accept-quality", is_flag=True, help="Publish although golden questions fare worse; wants --because.")
@click.option("--because", default="", help="Why, for the record.")
@click.option("--rebuild", is_flag=True, help="Parse and cut again what an older version had done.")
@click.option("--retry", is_flag=True, help="Try quarantined documents again.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def refresh(
    collections: tuple[str, ...],
    accept_deletions: bool,  # noqa: FBT001
    accept_growth: bool,  # noqa: FBT001
    accept_quality: bool,  # noqa: FBT001
    because: str,
    rebuild: bool,  # noqa: FBT001
    retry: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> int:
    """Bring COLLECTIONS up to date now; all that are declared, if none is named."""
    if accept_quality and not because.strip():
        raise click.UsageError("--accept-quality wants a reason; give it with --because.")
    config = load()
    names = list(dict.fromkeys(collections)) or list(config.declaration.collections)
    for name in names:
        config.collection(name)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with progress_bars(wanted=not as_json) as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bench = make_workbench(config, progress)
        bench.accept_deletions, bench.accept_growth = accept_deletions, accept_growth
        bench.accept_quality, bench.because = accept_quality, because.strip()
        bench.rebuild, bench.retry = rebuild, retry
        try:
            runs = launch(config, bench, names)
            profiled = follow_up(config, bench, [run.collection for run in runs if not run.failure])
        finally:
            bench.close()
    if as_json:
        made = {profiles.collection: asdict(profiles) for profiles in profiled}
        emit_json([asdict(run) | {"changed": run.changed, "profiles": made.get(run.collection)} for run in runs])
    else:
        for run in runs:
            show(run)
        for profiles in profiled:
            show_profiles(profiles)
    return max((run.exit_code for run in runs), default=0)


def follow_up(config: Config, bench: Workbench, names: list[str]) -> list[ProfileRun]:
    """Have profiles made where they are asked for; the text is published by then, whatever comes of it.

    Args:
        config: the declaration.
        bench: settings and doors of this process.
        names: of the collections that were refreshed.
    """
    asking = [name for name in names if config.collection(name).profiles]
    if not asking:
        return []
    bench.rebuild = False
    return launch_profiles(config, bench, asking)


ORDER = (
    "listed", "new", "changed", "vanished", "parsed", "pages", "characters", "documents", "chunks", "embedded",
    "tokens", "requests", "publish_number", "added",
)  # fmt: skip
"""Postgres sorts the keys of a jsonb; people want them in the order of the work."""


def _phrase(name: str, count: int) -> str:
    special = {
        "publish_number": f"publish {count}",
        "index_built": "index built",
        "index_milliseconds": f"in {count} ms",
    }
    return special.get(name, f"{count:,} {name.replace('_', ' ')}")


def _ordered(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: ORDER.index(item[0]) if item[0] in ORDER else len(ORDER))


SHORT = {"retrieval_quality": "quality", "index_health": "index"}
"""What follows a publish, in a narrow column."""


def _figures(figures: dict[str, float]) -> list[str]:
    """Return what was measured, a line for each first word."""
    lines: dict[str, list[str]] = {leg: [] for leg in LEGS}
    for name, value in sorted(figures.items(), key=lambda item: _place(item[0])):
        first, _, rest = name.partition(" ")
        lines.setdefault(first, []).append(f"{rest} {value:.3f}")
    return [f"{first} {', '.join(rest)}" for first, rest in lines.items() if rest]


def _place(name: str) -> int:
    """Return a figure's place: as with counts, the order of a jsonb is not that of people."""
    return next((at for at, measure in enumerate(("recall@", "MRR@", "nDCG@")) if measure in name), 9)


def show(run: Run) -> None:
    """Print what a refresh did: a line if it changed nothing, else a line a stage."""
    if run.failure:
        console.print(f"[bold red]{run.collection}[/]: {run.failure}")
    elif not run.changed:
        console.print(f"[bold]{run.collection}[/]: nothing changed ({run.seconds:.1f} s)")
        return
    else:
        flipped = run.stages.get("publication", {}).get("changed", False)
        console.print(
            f"[bold]{run.collection}[/]: {'published' if flipped else 'nothing to publish'} ({run.seconds:.1f} s)"
        )
    checks = list(run.checks.values())
    for stage in (name for name in (*STAGES, *MEASUREMENTS) if name in run.stages):
        report = run.stages[stage]
        counts = ", ".join(_phrase(name, count) for name, count in _ordered(report["counts"]) if count)
        console.print(f"  {SHORT.get(stage, stage):<12} {report['seconds']:>7.2f} s  {counts or 'nothing to do'}")
        for line in _figures(report.get("figures", {})):
            console.print(f"  {'':<12} {'':>7}    {line}")
        for sentence in report.get("notes", []):
            console.print(f"  {'':<12} {'':>7}    [yellow]{sentence}[/]")
        for reason, count in report["quarantined"].items():
            console.print(f"  {'':<12} {'':>7}    [yellow]{count} quarantined: {reason}[/]")
    if checks:
        failed = [name for name, found in run.checks.items() if not found["passed"]]
        rows = sum(found["rows"] for found in checks)
        outcome = f"[yellow]findings in {', '.join(failed)}[/]" if failed else "all passed"
        console.print(f"  {'audits':<12} {'':>7}    {len(checks)} over {rows:,} rows, {outcome}")
