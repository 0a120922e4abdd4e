"""`suimon sweep` and `suimon drop`: what is no longer needed goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from uuid import uuid4

import click

from assets import partitions
from assets.upkeep import drop as dropping
from assets.upkeep import sweep as sweeping
from pipelines.cli.asking import confirmed
from pipelines.cli.output import console, emit_json, table
from pipelines.config import load
from pipelines.instance import open_instance
from pipelines.workbench import make_workbench, whoami
from resources.errors import TransientError


@click.command()
@click.option("--keep-days", type=click.IntRange(0), help="Days for which every publish can be brought back.")
@click.option("--keep-publishes", type=click.IntRange(1), help="Publishes of each collection that are kept, at least.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def sweep(keep_days: int | None, keep_publishes: int | None, dry_run: bool, as_json: bool) -> int:  # noqa: FBT001
    """Remove what no head and no kept publish reaches.

    Beside refreshes, in batches. What is kept is declared in collections.yaml under upkeep.
    """
    config = load()
    declared = config.declaration.upkeep
    days = declared.keep_days if keep_days is None else keep_days
    publishes = declared.keep_publishes if keep_publishes is None else keep_publishes
    bench = make_workbench(config)
    if dry_run:
        report = sweeping.foresee(bench, keep_days=days, keep_publishes=publishes)
    else:
        report = sweeping.sweep(bench, run_id=f"sweep-{uuid4()}", keep_days=days, keep_publishes=publishes)
    if as_json:
        emit_json(asdict(report) | {"dry_run": dry_run})
    else:
        _show(report, dry_run=dry_run)
    return 0


def _show(report: sweeping.SweepReport, *, dry_run: bool) -> None:
    rows = []
    for name, count in report.removed.items():
        sizes = [size for part, size in report.table_bytes.items() if _belongs(part, name)]
        before, after = (sum(size[place] for size in sizes) / 1_000_000 for place in (0, 1))
        left = report.rows.get(name)
        rows.append((name, f"{count:,}", "" if left is None else f"{left:,}", f"{before:,.1f}", f"{after:,.1f}"))
    table(("table", "would go" if dry_run else "removed", "rows now" if dry_run else "rows left", "MB before",
           "MB after"), rows)  # fmt: skip
    console.print(
        f"\nAll tables: {report.bytes_before / 1e6:,.1f} MB before, {report.bytes_after / 1e6:,.1f} MB after. What was "
        "removed is used again; files shrink when an index is rebuilt, and by VACUUM FULL."
        if not dry_run
        else f"\nAll tables: {report.bytes_before / 1e6:,.1f} MB. Nothing was changed."
    )
    if report.collected:
        verb = "could not be brought back any more" if dry_run else "cannot be brought back any more"
        console.print(f"{report.collected} publishes {verb}.")
    if report.rebuilt:
        console.print("The index was rebuilt beside the live one.")
    for sentence in report.notes:
        console.print(f"[yellow]{sentence}[/]")


def _belongs(part: str, name: str) -> bool:
    return part == name or (name == "vectors" and part.startswith("vectors_"))


SWEPT = {"profiles": "profiles that no declaration asks for"}
"""Words for tables whose name would say too much: a profile of a dropped document goes with its parse, uncounted."""


def swept(removed: Mapping[str, int]) -> str:
    """Say what the garbage collection after a drop removed: of whatever collection it was.

    Args:
        removed: rows by table.
    """
    counted = ", ".join(f"{count:,} {SWEPT.get(part, part)}" for part, count in removed.items() if count)
    return f"A garbage collection followed, of what nothing reaches any more in any collection: {counted or 'nothing'}."


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def drop(name: str, yes: bool, as_json: bool) -> int:  # noqa: FBT001
    """Remove the collection NAME, which is no longer declared."""
    config = load()
    bench = make_workbench(config)
    dropping.check_droppable(bench, name)
    confirmed(f"Remove all of the collection {name} from the table?", yes=yes)
    run_id = f"drop-{uuid4()}"
    removed = dropping.drop(bench, name, by=whoami(), run_id=run_id)
    with open_instance(config) as instance:
        partitions.forget(instance, name)
    upkeep = config.declaration.upkeep
    try:
        report = sweeping.sweep(bench, run_id=run_id, keep_days=upkeep.keep_days, keep_publishes=upkeep.keep_publishes)
    except TransientError:
        report = None  # What it alone had goes with the one that is running, or with the next.
    if as_json:
        emit_json({"collection": name, "removed": removed, "swept": report.removed if report else None})
        return 0
    table(("table", "removed"), [(part, f"{count:,}") for part, count in removed.items() if count])
    if report is None:
        console.print(f"\n{name} is gone from the table. Its contents go with the next `suimon sweep`.")
    else:
        console.print(f"\n{name} is gone from the table. {swept(report.removed)}")
    console.print("What it cost, and the marks of what was erased from it, stay.")
    return 0
