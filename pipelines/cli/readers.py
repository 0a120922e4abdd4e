"""`suimon readers`: who may read what, and bringing declared rules into force at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from assets.readers import RuleInForce, apply_readers, declared_rules, read_rules, uri_pattern
from assets.settings import Collection
from assets.workbench import Workbench
from pipelines.cli.output import console, emit_json, table
from pipelines.config import load
from pipelines.workbench import make_workbench
from resources.postgres import Session


@dataclass(frozen=True)
class Shown:
    """What is said of a collection.

    Attributes:
        collection: its name.
        declared: whether collections.yaml has it.
        in_force: whether the declared rules are in force.
        rules: in force, in the order in which they are asked.
    """

    collection: str
    declared: bool
    in_force: bool
    rules: list[dict[str, Any]]


@click.command()
@click.argument("collection", required=False)
@click.option("--apply", "apply_now", is_flag=True, help="Bring the declared rules into force now, without a refresh.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def readers(collection: str | None, apply_now: bool, as_json: bool) -> int:  # noqa: FBT001
    """Show who may read COLLECTION, or each collection, and which roles do not exist."""
    bench = make_workbench(load())
    with bench.database_as_it_is.connect() as session:
        moved = _apply(session, bench, collection) if apply_now else {}
        found = _look(session, bench, collection)
    if as_json:
        emit_json([vars(shown) for shown in found])
        return 0
    for name, count in moved.items():
        console.print(f"[bold]{name}[/]: the declared rules hold from now on; {count} documents have other readers.")
    table(("collection", "documents", "of which", "readers", "no such role"), [*map(_cells, _lines(found))])
    for shown in found:
        if shown.declared and not shown.in_force:
            console.print(
                f"{shown.collection}: collections.yaml declares other rules; `suimon readers {shown.collection} --apply` "
                "or a refresh brings them into force."
            )
    return 0


def _apply(session: Session, bench: Workbench, collection: str | None) -> dict[str, int]:
    moved = {}
    for name in [collection] if collection else bench.collections:
        settings = bench.collection(name)
        for row in session.records("refresh/read_collection", {"name": name}):
            count = apply_readers(session, row["collection_id"], settings, row["readers_digest"])
            if count is not None:
                moved[name] = count
    return moved


def _look(session: Session, bench: Workbench, collection: str | None) -> list[Shown]:
    by_name: dict[str, list[RuleInForce]] = {}
    for rule in read_rules(session, collection):
        by_name.setdefault(rule.collection, []).append(rule)
    if collection is not None and not by_name:
        bench.collection(collection)  # Refused in a sentence, unless it is declared.
    names = [collection] if collection else sorted({*bench.collections, *by_name})
    return [_shown(session, bench.collections, name, by_name.get(name, [])) for name in names]


def _shown(session: Session, declared: Mapping[str, Collection], name: str, rules: list[RuleInForce]) -> Shown:
    settings = declared.get(name)
    rows = session.records("refresh/read_collection", {"name": name})
    digest = declared_rules(settings)["digest"] if settings else None
    in_force = bool(rows) and digest == rows[0]["readers_digest"]
    globs = {uri_pattern(rule.path): rule.path for rule in settings.document_readers if rule.path} if settings else {}
    return Shown(name, settings is not None, in_force, [_as_declared(rule, globs) for rule in rules])


def _as_declared(rule: RuleInForce, globs: Mapping[str, str]) -> dict[str, Any]:
    return {
        "path": None if rule.pattern is None else globs.get(rule.pattern, rule.pattern),
        "metadata": rule.contains,
        "readers": rule.readers,
        "missing": rule.missing,
        "documents": rule.documents,
    }


def _lines(found: list[Shown]) -> list[tuple[str, dict[str, Any]]]:
    return [(shown.collection, rule) for shown in found for rule in shown.rules]


def _cells(line: tuple[str, dict[str, Any]]) -> tuple[Any, ...]:
    name, rule = line
    parts = [rule["path"] or "", json.dumps(rule["metadata"], ensure_ascii=False) if rule["metadata"] else ""]
    roles = "every reader" if rule["readers"] is None else ", ".join(rule["readers"]) or "nobody"
    which = " ".join(part for part in parts if part) or "all others"
    return name, rule["documents"], which, roles, ", ".join(rule["missing"])
