"""`suimon plan`: what a refresh would do and cost."""

from __future__ import annotations

from typing import Any

import click

from pipelines.cli.output import console, emit_json, table
from pipelines.config import load
from pipelines.planning import make_plan
from pipelines.workbench import make_workbench


@click.command()
@click.argument("collections", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def plan(collections: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001
    """Say what a refresh of COLLECTIONS would do and cost; send nothing, write nothing."""
    config = load()
    names = list(dict.fromkeys(collections)) or list(config.declaration.collections)
    for name in names:
        config.collection(name)
    bench = make_workbench(config)
    plans = [make_plan(bench, name) for name in names]
    if as_json:
        emit_json([vars(item) for item in plans])
        return
    table(
        ("collection", "unchanged", "texts to embed", "tokens", "why"),
        [
            (
                item.collection,
                item.documents["unchanged"],
                f"about {item.texts:,}" if item.texts else 0,
                f"about {item.tokens:,}" if item.tokens else 0,
                "; ".join(item.reasons) or "nothing to do",
            )
            for item in plans
        ],
    )
    lines = [
        (item.collection, name, figures["texts"], figures["tokens"], _money(figures))
        for item in plans
        if len(item.spaces) > 1 or any(figures["cost"] for figures in item.spaces.values())
        for name, figures in item.spaces.items()
        if figures["texts"]
    ]
    if lines:
        console.print()
        table(("collection", "space", "texts", "tokens", "cost"), lines)
    console.print("[dim]Texts and tokens of files that are not parsed yet are estimated from their size.[/]")


def _money(figures: dict[str, Any]) -> str:
    return "-" if figures["cost"] is None else f"about {figures['cost']} {figures['currency']}"
