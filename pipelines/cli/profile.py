"""`suimon profile`: have an LLM describe the published documents that have no profile yet."""

from __future__ import annotations

import logging
import warnings
from dataclasses import asdict

import click

from pipelines.cli.output import console, emit_json, progress_bars
from pipelines.config import load
from pipelines.profiling import ProfileRun, launch_profiles
from pipelines.workbench import make_workbench
from resources.errors import ConfigurationError


@click.command()
@click.argument("collections", nargs=-1)
@click.option("--retry", is_flag=True, help="Try documents again that could not be described.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def profile(collections: tuple[str, ...], retry: bool, as_json: bool) -> int:  # noqa: FBT001
    """Bring the profiles of COLLECTIONS up to date; of all that ask for them, if none is named."""
    config = load()
    for name in collections:
        config.collection(name)
    declared = config.declaration.collections
    names = list(dict.fromkeys(collections)) or [name for name, settings in declared.items() if settings.profiles]
    asking = [name for name in names if declared[name].profiles]
    if not asking:
        raise ConfigurationError("No collection asks for profiles; add `profiles: {}` to one in collections.yaml.")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with progress_bars(wanted=not as_json) as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bench = make_workbench(config, progress)
        _ = bench.declared_llm  # Says what to declare, before anything is started.
        bench.retry = retry
        try:
            runs = launch_profiles(config, bench, names)
        finally:
            bench.close()
    if as_json:
        emit_json([asdict(run) for run in runs])
    else:
        for run in runs:
            show(run)
    return max((run.exit_code for run in runs), default=0)


def show(run: ProfileRun) -> None:
    """Print what became of the profiles of a collection, in a line."""
    if run.failure:
        console.print(f"[bold]{run.collection}[/]: [yellow]profiles: {run.failure}[/]")
        return
    special = {"seconds", "changed", "cost", "currency"}
    counts = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in run.counts.items() if count and name not in special
    )
    console.print(f"[bold]{run.collection}[/]: profiles: {counts or 'nothing to do'} ({run.seconds:.1f} s)")
