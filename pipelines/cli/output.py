"""What commands print: tables and bars on a terminal, plain lines elsewhere, JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from assets.workbench import Progress as Listener
from assets.workbench import silent

console = Console(highlight=False, soft_wrap=True)


def emit_json(value: Any) -> None:
    """Print a value for machines."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str | None = None) -> None:
    """Print rows: a drawn table on a terminal, tab-separated lines elsewhere."""
    if not console.is_terminal:
        if title:
            click.echo(title)
        for row in [columns, *rows]:
            click.echo("\t".join("" if cell is None else str(cell) for cell in row))
        return
    drawn = Table(*columns, title=title, title_justify="left", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for row in rows:
        drawn.add_row(*["" if cell is None else escape(str(cell)) for cell in row])
    console.print(drawn)


class _Bars:
    """Progress bars, one a stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total)

    def clear(self) -> None:
        for task in self._tasks.values():
            self._progress.remove_task(task)
        self._tasks.clear()


@contextmanager
def progress_bars(*, wanted: bool = True) -> Iterator[Listener]:
    """Show bars on a terminal's standard error; elsewhere nothing."""
    if not wanted or not sys.stderr.isatty():
        yield silent
        return
    columns = (TextColumn("{task.description:>12}"), BarColumn(32), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bars(progress)
