"""`suimon space`: another model beside the live one: add, status, promote, drop."""

from __future__ import annotations

import logging
import warnings
from typing import Any
from uuid import uuid4

import click

from assets.quality.evaluation import LEGS
from assets.upkeep.space_states import describe_spaces
from assets.vectors.spaces import KnownSpace
from pipelines.cli.evaluate import evaluate_collections
from pipelines.cli.output import console, emit_json, progress_bars, table
from pipelines.config import Config, load
from pipelines.workbench import make_workbench, whoami

UNFINISHED = 3
MEASURES = ("recall", "mrr", "ndcg")


@click.group()
def space() -> None:
    """Move to another model without an interruption: add a space, fill it, promote it, drop the old one."""


@space.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def status(as_json: bool) -> None:  # noqa: FBT001
    """Show each space: what it is, whether readers see it, and how far each collection is in it."""
    config = load()
    bench = make_workbench(config)
    with bench.database_as_it_is.connect() as session:
        states = describe_spaces(session, bench, counted=True)
    if as_json:
        emit_json(states)
        return
    table(
        ("space", "model", "dimensions", "storage", "state", "vectors", "index", "MB"),
        [
            (
                state["space"], state["model"], state["dimensions"], state["storage"], _state(state),
                f"{state['vectors']:,}", state["index"],
                f"{(state['table_bytes'] + state['index_bytes']) / 1_000_000:,.1f}",
            )
            for state in states
        ],
    )  # fmt: skip
    lines = [
        (
            state["space"], row["collection"], "yes" if row["filled"] else "no",
            f"{row['settled']:,}/{row['texts']:,}", row["refused"], f"{row['tokens_to_go']:,}",
            "-" if row["cost_to_go"] is None else f"{row['cost_to_go']} {row['currency']}",
        )
        for state in states
        for row in state["collections"]
    ]  # fmt: skip
    console.print()
    table(("space", "collection", "complete", "texts", "refused", "tokens to go", "cost to go"), lines)
    for name in config.declaration.spaces:
        if name not in {state["space"] for state in states}:
            console.print(f"{name} is declared and not kept yet; `suimon space add {name}` begins to fill it.")


def _state(state: dict[str, Any]) -> str:
    if not state["declared"]:
        return "not declared"
    return "live" if state["live"] else "ready" if state["ready"] else "being filled"


@space.command()
@click.argument("name")
@click.option("--no-fill", is_flag=True, help="Only begin to keep it: the next refreshes fill it.")
def add(name: str, no_fill: bool) -> int:  # noqa: FBT001
    """Begin to keep the declared space NAME, and fill it with every declared collection."""
    from assets.upkeep import spaces

    config = load()
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with progress_bars() as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bench = make_workbench(config, progress)
        try:
            known, made = spaces.add(bench, name)
            console.print(introduction(known, made=made))
            if no_fill:
                console.print("Every refresh fills it from now on; `suimon space status` shows how far it is.")
                return 0
            declared = config.declaration.collections
            outcome = spaces.fill(bench, name, declared, lambda each: _refresh(config, bench, each))
            missing = [] if known.live else spaces.missing_from(bench, name)
        finally:
            bench.close()
    for why in filter(None, outcome.values()):
        console.print(f"[yellow]{why}[/]")
    if any(outcome.values()):
        console.print(f"`suimon space add {name}` goes on where it stopped, as does every refresh.")
        return UNFINISHED
    if missing:
        console.print(f"[yellow]{name} holds all of what is declared, and cannot be promoted: {'; '.join(missing)}.[/]")
        return UNFINISHED
    if not known.live:
        console.print(f"{name} holds all that is published; `suimon space promote {name}` lets readers see it.")
    return 0


def introduction(known: KnownSpace, *, made: bool) -> str:
    """Say what a space is, and how its vectors are stored."""
    stored = (
        "stored whole (vector)"
        if known.storage == "vector"
        else "stored by half precision (halfvec), since an index takes at most 2,000 dimensions of full precision"
    )
    begin = f"Space {known.name} was made" if made else f"Space {known.name} is kept already"
    live = "; it is live, the first of this database" if made and known.live else ""
    return (
        f"{begin}: model {known.model}, {known.dimensions:,} dimensions, {stored}, {known.token_limit:,} tokens of an "
        f"input are read{live}."
    )


def _refresh(config: Config, bench: Any, name: str) -> str | None:
    """Refresh a collection through Dagster; says what went wrong, if anything did."""
    from pipelines.launching import launch

    run = launch(config, bench, [name])[0]
    notes = [note for report in run.stages.values() for note in report.get("notes", [])]
    return run.failure or (" ".join(notes) or None)


@space.command()
@click.argument("name")
def promote(name: str) -> None:
    """Let readers see the space NAME as search.chunks, at once and for all collections together."""
    from assets.upkeep import spaces

    before = spaces.promote(make_workbench(load()), name)
    if before == name:
        console.print(f"{name} is live already; nothing changed.")
        return
    console.print(
        f"Readers see {name} now. {before} stays current beside it: `suimon space promote {before}` goes back, and "
        f"`suimon space drop {before}` gives it up."
    )


@space.command()
@click.argument("name")
def drop(name: str) -> None:
    """Remove the space NAME with all its vectors. Going back to it means filling it anew."""
    from assets.upkeep import spaces

    removed = spaces.drop(make_workbench(load()), name, by=whoami(), run_id=f"drop-{uuid4()}")
    console.print(f"Space {name} is gone with {removed['vectors']:,} vectors; take it out of collections.yaml too.")


@space.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def evaluate(name: str, as_json: bool) -> None:  # noqa: FBT001
    """Ask the golden questions in NAME and in the live space, and show both beside each other."""
    config = load()
    live = evaluate_collections(config, None, None, None)
    other = evaluate_collections(config, None, name, None)
    lines = [
        {"collection": collection, "leg": leg, "k": found.k, "questions": found.questions}
        | {
            measure: {each.space: float(getattr(each.mean(leg), measure)) for each in (live[collection], found)}
            for measure in MEASURES
        }
        for collection, found in other.items()
        for leg in LEGS
    ]
    if as_json:
        emit_json(lines)
        return
    table(
        ("collection", "leg", "questions", "recall", "MRR", "nDCG"),
        [[_from_to(value) for key, value in line.items() if key != "k"] for line in lines],
        title=f"the live space -> {name}",
    )


def _from_to(value: Any) -> str:
    """Write the figures of two spaces in the order live, other."""
    return " -> ".join(f"{each:.3f}" for each in value.values()) if isinstance(value, dict) else str(value)
