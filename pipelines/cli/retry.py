"""`suimon retry`: try again what is in quarantine."""

from __future__ import annotations

import logging
import uuid
import warnings
from dataclasses import asdict
from difflib import get_close_matches

import click

from assets.elements.reasons import REASONS
from assets.upkeep.retry import retry_collection
from assets.workbench import Workbench
from pipelines.cli.output import console, emit_json, progress_bars
from pipelines.cli.refresh import show
from pipelines.config import load
from pipelines.launching import Run, launch
from pipelines.workbench import make_workbench

STAGES = ("elements", "elements audit", "chunks", "chunk_sets audit", "vectors")
"""Where something can be held back, as `suimon status` shows it."""


def _known_reason(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Make sure that a reason code is one.

    Raises:
        BadParameter: it is none.
    """
    if value is None or value in REASONS:
        return value
    near = get_close_matches(value, REASONS, n=1)
    meant = f"did you mean {near[0]}?" if near else "docs/quarantine.md lists them."
    raise click.BadParameter(f"{value!r} is no reason code; {meant}")


@click.command()
@click.argument("collections", nargs=-1)
@click.option("--uri", help="This document alone, by its path below the source.")
@click.option("--stage", type=click.Choice(STAGES), help="Only what this stage held back.")
@click.option("--reason", callback=_known_reason, help="Only what has this reason code.")
@click.option("--mark-only", is_flag=True, help="Leave the refresh to the schedule.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def retry(
    collections: tuple[str, ...],
    uri: str | None,
    stage: str | None,
    reason: str | None,
    mark_only: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> int:
    """Try again what COLLECTIONS hold back, and refresh them; all that are declared, if none is named."""
    config = load()
    names = list(dict.fromkeys(collections)) or list(config.declaration.collections)
    for name in names:
        config.collection(name)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    runs: list[Run] = []
    with progress_bars(wanted=not as_json) as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bench = make_workbench(config, progress)
        try:
            marked = _mark(bench, names, uri, stage, reason)
            chosen = [name for name, count in marked.items() if count]
            if not as_json:
                _say(marked, mark_only=mark_only)
            if chosen and not mark_only:
                runs = launch(config, bench, chosen)
        finally:
            bench.close()
    if as_json:
        emit_json({"marked": marked, "runs": [asdict(run) | {"changed": run.changed} for run in runs]})
    else:
        for run in runs:
            show(run)
    return max((run.exit_code for run in runs), default=0)


def _mark(bench: Workbench, names: list[str], uri: str | None, stage: str | None, reason: str | None) -> dict[str, int]:
    holder = f"retry-{uuid.uuid4()}"
    return {name: retry_collection(bench, name, holder, uri=uri, stage=stage, reason=reason) for name in names}


def _say(marked: dict[str, int], *, mark_only: bool) -> None:
    for name, count in marked.items():
        if count:
            then = "the next refresh tries them again" if mark_only else "tried again now"
            console.print(f"[bold]{name}[/]: {count:,} in quarantine marked; {then}.")
    if not any(marked.values()):
        click.echo("Nothing of that is in quarantine; there is nothing to try again.")
