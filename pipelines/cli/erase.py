"""`suimon erase`: a document goes at once, and stays out."""

from __future__ import annotations

from dataclasses import asdict
from uuid import uuid4

import click

from assets.upkeep import erase as erasing
from pipelines.cli.asking import confirmed
from pipelines.cli.output import console, emit_json, table
from pipelines.config import load
from pipelines.workbench import make_workbench, whoami


@click.command()
@click.argument("uri")
@click.option("--collection", help="The collection; may be left out where only one holds the uri.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--again", is_flag=True, help="Lift the mark instead: a later refresh may bring the document back.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def erase(uri: str, collection: str | None, yes: bool, again: bool, as_json: bool) -> int:  # noqa: FBT001
    """Remove the document URI from heads, kept publishes, elements, texts and vectors at once, and keep it out.

    Past every gate and guard; it cannot be undone. What other documents share stays.
    """
    config = load()
    bench = make_workbench(config)
    run_id = f"erase-{uuid4()}"
    if again:
        name = erasing.lift(bench, collection, uri, run_id=run_id)
        if as_json:
            emit_json({"collection": name, "uri": uri, "lifted": True})
        else:
            console.print(
                f"{name} may hold {uri!r} again: the next refresh takes it, if its source has it.", markup=False
            )
        return 0
    name, _ = erasing.find_collection(bench, uri, collection)
    confirmed(f"Erase {uri!r} from {name}? This cannot be undone.", yes=yes)
    receipt = erasing.erase(bench, name, uri, by=whoami(), run_id=run_id)
    if as_json:
        emit_json(asdict(receipt))
    else:
        _show(receipt)
    return 0


def _show(receipt: erasing.Receipt) -> None:
    attached = f" and {receipt.documents - 1} attached documents" if receipt.documents > 1 else ""
    when = f"{receipt.erased_at:%Y-%m-%d at %H:%M:%S} UTC"
    console.print(
        f"Erased {receipt.uri!r}{attached} from {receipt.collection} on {when}, asked by {receipt.by}.\n", markup=False
    )
    table(("table", "removed"), [(name, f"{count:,}") for name, count in receipt.removed.items()])
    console.print(
        f"\nShared with other documents, and kept: {receipt.shared['elements']:,} parses, {receipt.shared['texts']:,} "
        "texts."
    )
    if receipt.leftovers is None:
        console.print("Versions that were never published go with the next `suimon sweep`: one is running.")
    elif receipt.leftovers:
        leftovers = ", ".join(f"{count:,} {name}" for name, count in receipt.leftovers.items())
        console.print(f"Removed with it, as nothing reached them: {leftovers}.")
    console.print("It stays out: digests of its uri and bytes are kept, and nothing else of it.")
    console.print("\nThis cannot reach:")
    for place in receipt.beyond:
        console.print(f"- {place}")
