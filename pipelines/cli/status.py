"""`suimon status`: what readers see, what is held back, how the last runs ended."""

from __future__ import annotations

import os
from typing import Any

import click

from pipelines.cli.output import console, emit_json, table
from pipelines.config import Config, load
from pipelines.workbench import local_stack, make_workbench
from resources.postgres import ALLOW_OLD_PGVECTOR

UNHEALTHY = 5
GOOD_OUTCOMES = ("published", "unchanged", "nothing to publish")


@click.command()
@click.option("--check", "check_only", is_flag=True, help="Exit with 5 if anything needs a person; print only that.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def status(check_only: bool, as_json: bool) -> int:  # noqa: FBT001
    """Show what readers see, what is held back, and how the last runs ended."""
    config = load()
    state = read(config)
    problems = state["problems"]
    if as_json:
        emit_json(state)
    elif check_only:
        for problem in problems:
            click.echo(problem)
        if not problems:
            click.echo("All is well.")
    else:
        _show(state)
    return UNHEALTHY if check_only and problems else 0


def read(config: Config) -> dict[str, Any]:
    """Return everything that status shows."""
    bench = make_workbench(config)
    with bench.database_as_it_is.connect() as session:
        state: dict[str, Any] = {
            "collections": session.records("status/read_collections"),
            "quarantine": session.records("status/read_quarantine"),
            "refused": session.records("status/read_refused"),
            "spaces": session.connection.execute(
                session.compose("SELECT space, model, dimensions, storage, live FROM {search}.spaces")
            ).fetchall(),
        }
    state["running"] = local_stack(config).running()
    state["problems"] = _problems(config, state)
    return state


def _problems(config: Config, state: dict[str, Any]) -> list[str]:
    problems = []
    known = {row["collection"]: row for row in state["collections"]}
    for name in config.declaration.collections:
        row = known.get(name)
        if row is None or row["publish"] is None:
            problems.append(f"{name} was never published; run `suimon refresh {name}`.")
            continue
        if row["outcome"] not in GOOD_OUTCOMES:
            problems.append(f"{name}: the last refresh (run {row['run_id']}) ended with: {row['outcome']}.")
        if row["quarantined"]:
            problems.append(f"{name}: {row['quarantined']} documents are in quarantine.")
        if row["vanished"]:
            problems.append(f"{name}: {row['vanished']} published documents are gone from the source.")
    problems += [
        f"{name} is in the table but no longer declared; it stays as it is."
        for name in known
        if name not in config.declaration.collections
    ]
    problems += [
        f"{row['collection']}: {row['chunks']} published chunks cannot be searched, the endpoint refused their text."
        for row in state["refused"]
    ]
    if os.environ.get(ALLOW_OLD_PGVECTOR) == "1":
        problems.append(f"{ALLOW_OLD_PGVECTOR} is set: a pgvector below the security floor is accepted.")
    return problems


def _show(state: dict[str, Any]) -> None:
    rows = [
        (
            row["collection"], row["documents"], row["published"], row["chunks"], row["quarantined"],
            row["older_recipe"], row["publish"] or "-",
            f"{row['last_refresh']:%Y-%m-%d %H:%M}" if row["last_refresh"] else "never", row["outcome"] or "-",
        )
        for row in state["collections"]
    ]  # fmt: skip
    table(
        (
            "collection",
            "documents",
            "published",
            "chunks",
            "quarantined",
            "older recipe",
            "publish",
            "last refresh",
            "outcome",
        ),
        rows,
    )
    for space, model, dimensions, storage, live in state["spaces"]:
        console.print(f"\nspace {space}: {model}, {dimensions} dimensions ({storage}){', live' if live else ''}")
    if state["quarantine"]:
        console.print()
        table(
            ("collection", "uri", "stage", "reason", "detail", "attempts"),
            [
                tuple(row[key] for key in ("collection", "uri", "stage", "reason", "detail", "attempts"))
                for row in state["quarantine"]
            ],
            title="quarantine",
        )
    console.print(f"\nrunning: {', '.join(state['running']) or 'nothing of this checkout'}")
    for problem in state["problems"]:
        console.print(f"[yellow]{problem}[/]")
