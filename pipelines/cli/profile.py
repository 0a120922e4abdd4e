"""`suimon profile`: have an LLM describe the published documents that have no profile yet."""

from __future__ import annotations

import logging
import warnings
from dataclasses import asdict

import click
from rich.markup import escape

from assets.profiles.asset import GOES_ON
from pipelines.cli.output import console, emit_json, progress_bars
from pipelines.config import Config, load
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
    names = _asking(config, collections)
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


def _asking(config: Config, named: tuple[str, ...]) -> list[str]:
    """Return the collections whose profiles are meant.

    Raises:
        ConfigurationError: one is not declared, or does not ask for profiles.
    """
    silent = [name for name in dict.fromkeys(named) if not config.collection(name).profiles]
    if silent:
        raise ConfigurationError(
            f"{', '.join(silent)} does not ask for profiles; add `profiles: {{}}` to it in collections.yaml."
        )
    asking = [name for name, settings in config.declaration.collections.items() if settings.profiles]
    if not asking:
        raise ConfigurationError("No collection asks for profiles; add `profiles: {}` to one in collections.yaml.")
    return list(dict.fromkeys(named)) or asking


UNCOUNTED = frozenset({"seconds", "changed", "cost", "currency", GOES_ON})


def show(run: ProfileRun) -> None:
    """Print what became of the profiles of a collection: a line, and one for what is to be known of it."""
    if run.failure:
        console.print(f"[bold]{run.collection}[/]: [yellow]profiles: {escape(run.failure)}[/]")
        return
    counts = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in run.counts.items() if count and name not in UNCOUNTED
    )
    nothing = "nothing was asked" if run.notes else "nothing to do"
    console.print(f"[bold]{run.collection}[/]: profiles: {counts or nothing} ({run.seconds:.1f} s)")
    for sentence in run.notes:
        console.print(f"  [yellow]{escape(sentence)}[/]")
    if run.findings:
        console.print(f"  [yellow]findings in {', '.join(run.findings)}[/]")
