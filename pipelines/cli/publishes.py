"""`suimon publishes`, `rollback` and `unpin`: going back to what readers saw before, and forward again."""

from __future__ import annotations

from dataclasses import asdict
from uuid import uuid4

import click

from assets.publication.rollback import list_publishes
from assets.publication.rollback import rollback as go_back
from assets.publication.rollback import unpin as let_go
from pipelines.cli.output import console, emit_json, table
from pipelines.config import load
from pipelines.workbench import make_workbench, whoami


@click.command()
@click.argument("collection")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def publishes(collection: str, as_json: bool) -> int:  # noqa: FBT001
    """List the publishes of COLLECTION, and which of them can be brought back."""
    bench = make_workbench(load())
    with bench.database_as_it_is.connect() as session:
        found = list_publishes(session, collection)
    if as_json:
        emit_json([asdict(publish) for publish in found])
        return 0
    rows = [
        (
            publish.number, f"{publish.published_at:%Y-%m-%d %H:%M:%S}",
            f"rollback to {publish.restores}" if publish.kind == "rollback" else publish.kind,
            *(publish.counts.get(kind, 0) for kind in ("added", "changed", "removed")),
            "shown" if publish.current else "kept" if publish.kept else "collected", publish.space or "-",
            publish.run_id,
        )
        for publish in found
    ]  # fmt: skip
    table(("publish", "at", "by", "added", "changed", "removed", "state", "space", "run"), rows)
    return 0


@click.command()
@click.argument("collection")
@click.option("--to", "number", type=int, required=True, help="Number of the publish, as `suimon publishes` lists it.")
def rollback(collection: str, number: int) -> int:
    """Show readers of COLLECTION what they saw after an earlier publish, and stay there."""
    bench = make_workbench(load())
    counts = go_back(bench, collection, number, by=whoami(), run_id=f"rollback-{uuid4()}")
    console.print(
        f"[bold]{collection}[/]: readers see publish {number} again, as publish {counts['publish_number']} "
        f"({counts['added']} documents added, {counts['changed']} changed, {counts['removed']} removed). Refreshes "
        f"prepare, but publish nothing until `suimon unpin {collection}`."
    )
    return 0


@click.command()
@click.argument("collection")
def unpin(collection: str) -> int:
    """Let COLLECTION publish again; the next refresh shows what was prepared meanwhile."""
    bench = make_workbench(load())
    if let_go(bench, collection, run_id=f"unpin-{uuid4()}"):
        console.print(f"[bold]{collection}[/] publishes again; `suimon refresh {collection}` shows what was prepared.")
    else:
        console.print(f"[bold]{collection}[/] was not pinned; nothing changed.")
    return 0
