"""`suimon evaluate`: ask the golden questions now, by each leg of the search."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import uuid4

import click

from assets.quality.asking import Asker
from assets.quality.evaluation import LEGS, Evaluation
from assets.quality.evaluation import evaluate as ask
from assets.quality.golden import read_golden
from assets.vectors.spaces import KnownSpace, compare, live_of, read_spaces
from assets.workbench import Workbench
from pipelines.cli.output import console, emit_json, table
from pipelines.config import Config, load
from pipelines.workbench import make_workbench
from resources.errors import ConfigurationError
from resources.postgres import Session


@click.command()
@click.argument("collection", required=False)
@click.option("--space", "space_name", help="Search in this space; in the live one, if none is named.")
@click.option("-k", "--k", "k", type=click.IntRange(1, 100), help="Passages to look at, if other than declared.")
@click.option("--worst", type=click.IntRange(0), default=10, show_default=True, help="How many bad questions to list.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def evaluate(collection: str | None, space_name: str | None, k: int | None, worst: int, as_json: bool) -> None:  # noqa: FBT001
    """Ask the golden questions of COLLECTION now, by each leg of the search; of all, if none is named."""
    config = load()
    found = evaluate_collections(config, collection, space_name, k)
    if as_json:
        emit_json([_for_machines(name, each) for name, each in found.items()])
        return
    table(
        ("collection", "space", "publish", "leg", "recall", "MRR", "nDCG", "at", "questions", "left out"),
        [
            (
                name, each.space, each.number, leg, f"{each.mean(leg).recall:.3f}", f"{each.mean(leg).mrr:.3f}",
                f"{each.mean(leg).ndcg:.3f}", each.k, each.questions, len(each.left_out) + len(each.unasked),
            )
            for name, each in found.items()
            for leg in LEGS
        ],
    )  # fmt: skip
    for name, each in found.items():
        _show_worst(name, each, worst)


def evaluate_collections(
    config: Config, collection: str | None, space_name: str | None, k: int | None
) -> dict[str, Evaluation]:
    """Evaluate in a space, by collection; questions that are new there are embedded first.

    Args:
        config: the declaration.
        collection: which; None for all that declare golden questions.
        space_name: where; None for the live space.
        k: passages to look at, if other than declared.

    Raises:
        ConfigurationError: no golden questions are declared, nothing is published, or there is no such space.
    """
    if collection is not None:
        config.collection(collection)
    declared = config.declaration.collections
    chosen = [name for name in declared if collection in {None, name}]
    sets = {name: read_golden(config.root, declared[name], name) for name in chosen}
    wanted = {name: golden for name, golden in sets.items() if golden is not None}
    if not wanted:
        raise ConfigurationError(
            f"{collection or config.path.name} declares no golden questions; name a file of them with `golden`."
        )
    bench = make_workbench(config)
    found = {}
    bench.database_as_it_is.ping()
    with bench.database.connect() as session:  # By now its schema is current: questions are paced as in a refresh.
        space = _space(session, bench, space_name)
        for name, golden in wanted.items():
            known = session.records("refresh/read_collection", {"name": name})
            if not known:
                continue
            asker = Asker(bench, session, name, known[0]["collection_id"], f"evaluate-{uuid4().hex[:12]}")
            evaluation = ask(asker, golden, space, k=k)
            if evaluation is not None:
                found[name] = evaluation
    if not found:
        raise ConfigurationError(f"Nothing of {', '.join(wanted)} is published yet; run `suimon refresh` first.")
    return found


def _space(session: Session, bench: Workbench, name: str | None) -> KnownSpace:
    spaces = read_spaces(session)
    space = live_of(spaces) if name is None else next((each for each in spaces if each.name == name), None)
    if space is None:
        kept = ", ".join(each.name for each in spaces)
        raise ConfigurationError(
            f"The database keeps no space {name!r}; it keeps {kept}."
            if kept
            else "Nothing is published yet; run `suimon refresh` first."
        )
    compare(space, bench.space(space.name))
    if not space.live and not space.ready:
        raise ConfigurationError(
            f"Space {space.name} is still being filled; `suimon space status` shows how far it is, and `suimon space "
            f"add {space.name}` goes on."
        )
    return space


def _for_machines(name: str, found: Evaluation) -> dict[str, Any]:
    return {
        "collection": name,
        "space": found.space,
        "publish": found.number,
        "k": found.k,
        "questions": found.questions,
        "answers_not_published": list(found.left_out),
        "without_vector": list(found.unasked),
        "legs": {leg: asdict(found.mean(leg)) for leg in LEGS},
        "by_question": {leg: {label: asdict(figures) for label, figures in found.legs[leg].items()} for leg in LEGS},
    }


def _show_worst(name: str, found: Evaluation, most: int) -> None:
    worst = found.worst(most)
    if worst:
        console.print()
        lines = [
            (label, *(f"{leg[label].ndcg:.2f}" if label in leg else "-" for leg in map(found.legs.get, LEGS) if leg))
            for label in worst
        ]
        table(("question", *(f"nDCG {leg}" for leg in LEGS)), lines, title=f"{name}: answered badly")
    if found.left_out:
        console.print(f"{name}: no answer is published: {', '.join(found.left_out)}", markup=False)
    if found.unasked:
        console.print(f"{name}: without a vector: {', '.join(found.unasked)}", markup=False)
