"""`suimon verify`: compare ledger, chunks, vectors and index, and mend them if asked to."""

from __future__ import annotations

import uuid
from dataclasses import asdict

import click

from assets.upkeep.verify import verify as compare
from assets.upkeep.verify_findings import NOTES, Finding
from pipelines.cli.output import console, emit_json, table
from pipelines.config import load
from pipelines.workbench import make_workbench

FOUND = 5


@click.command()
@click.argument("collections", nargs=-1)
@click.option("--repair", is_flag=True, help="Mend what is found; embeds only vectors that are lost or altered.")
@click.option(
    "--sample", type=click.IntRange(min=0), default=500, show_default=True,
    help="How many vectors to look for through the index.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def verify(collections: tuple[str, ...], repair: bool, sample: int, as_json: bool) -> int:  # noqa: FBT001
    """Compare ledger, chunks, vectors and index of COLLECTIONS; of all in the database, if none is named."""
    bench = make_workbench(load())
    names = list(dict.fromkeys(collections)) or None
    try:
        found = compare(bench, names, repair=repair, run_id=f"verify-{uuid.uuid4().hex[:12]}", sample=sample)
    finally:
        bench.close()
    if as_json:
        emit_json([asdict(item) | {"left": item.left} for item in found])
    else:
        _show(found, repair=repair)
    return FOUND if any(item.left for item in found) else 0


def _show(found: list[Finding], *, repair: bool) -> None:
    rows = [
        (item.kind, item.collection, item.count, "-" if item.kind in NOTES else item.repaired, ", ".join(item.examples))
        for item in found
    ]
    if rows:
        table(("kind", "collection", "found", "repaired", "examples"), rows)
        console.print()
    for item in found:
        console.print(item.sentence, markup=False)
    left = sum(1 for item in found if item.left)
    if not found:
        console.print("Ledger, chunks, vectors and index agree.")
    elif not left:
        console.print("Nothing needs a person." if not repair else "All of it was mended.")
    elif not repair:
        console.print("Run `suimon verify --repair` to mend it.")
    else:
        console.print("Some of it could not be mended; refresh, and verify again.")
