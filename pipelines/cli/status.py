"""`suimon status`: what readers see, what is held back, what waits, what it cost, how the last runs ended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click
from rich.markup import escape

from assets.profiles.stage import undescribed
from assets.upkeep.space_states import describe_spaces, sentence_of
from assets.vectors.spaces import read_spaces
from pipelines.cli.output import console, emit_json, table
from pipelines.config import Config, load
from pipelines.workbench import local_stack, make_workbench
from resources.postgres import ALLOW_OLD_PGVECTOR, Session

UNHEALTHY = 5
GOOD_OUTCOMES = ("published", "unchanged", "nothing to publish")
MOST_LINES = 50
"""Lines of the quarantine that are printed for people; the view search.quarantine and --json have all."""

WAITING = {
    "unparsed": "to be parsed",
    "uncut": "to be cut",
    "unembedded": "for vectors",
    "unpublished": "to be published",
}
"""What a document that is neither up to date nor held back can wait for."""


@click.command()
@click.option("--check", "check_only", is_flag=True, help="Exit with 5 if anything needs a person; print only that.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")
def status(check_only: bool, as_json: bool) -> int:  # noqa: FBT001
    """Show what readers see, what is held back, what it cost, and how the last runs ended."""
    config = load()
    state = read(config, most=None if as_json else MOST_LINES)
    problems = state["problems"]
    if as_json:
        emit_json(state)
    elif check_only:
        for problem in problems:
            click.echo(problem)
        if not problems:
            click.echo("All is well.")
    else:
        show(state)
    return UNHEALTHY if check_only and problems else 0


def read(config: Config, *, most: int | None = None) -> dict[str, Any]:
    """Return everything that status shows.

    Args:
        config: the declaration.
        most: rows of the quarantine; None for all.
    """
    bench = make_workbench(config)
    with bench.database_as_it_is.connect() as session:
        state: dict[str, Any] = {
            "collections": _collections(session),
            "quarantine": session.records("status/read_quarantine", {"most": most}),
            "held_back": session.records("status/count_held_back"),
            "profiles": session.records("status/read_profiles"),
            "costs": session.records("status/read_costs", _timezones(config)),
            "verifications": session.records("status/read_verifications"),
            "quality": session.records("status/read_quality"),
            "fallen": session.records("status/read_fallen"),
            "sweep": next(iter(session.records("status/read_sweep")), None),
            "spaces": describe_spaces(session, bench),
        }
    for row in state["verifications"]:
        row["unmended"] = unmended(row["findings"], row["collection"])
    state["running"] = local_stack(config).running()
    state["problems"] = _problems(config, state)
    return state


def _collections(session: Session) -> list[dict[str, Any]]:
    """Read the line of each collection; what it waits for adds up to `waiting`."""
    rows = session.records("status/read_collections")
    spaces = read_spaces(session)
    waiting: dict[str, dict[str, Any]] = {}
    if spaces and spaces[0].live and any(row["prepared"] for row in rows):
        live = spaces[0]
        found = session.records("status/count_unembedded", {"space_id": live.space_id}, vectors=live.table)
        waiting = {row["collection"]: row for row in found}
    for row in rows:
        prepared = row.pop("prepared")
        without = {"documents": 0, "texts": 0} if spaces else {"documents": prepared, "texts": 0}
        seen = waiting.get(row["collection"], without)
        row["unembedded"], row["unembedded_texts"] = seen["documents"], seen["texts"]
        row["unpublished"] = prepared - seen["documents"]
    return rows


def _timezones(config: Config) -> dict[str, list[str]]:
    declared = config.declaration.collections
    return {"collections": list(declared), "timezones": [settings.timezone for settings in declared.values()]}


def unmended(findings: Any, collection: str) -> int:
    """Count what a verification found of a collection, or of all together, and did not mend.

    Args:
        findings: as recorded: objects with `collection`, `count` and `repaired`.
        collection: whose.
    """
    return sum(
        max(0, int(found.get("count", 1)) - int(found.get("repaired", 0)))
        for found in (findings if isinstance(findings, list) else [])
        if found.get("collection") in {None, collection}
    )


def _problems(config: Config, state: dict[str, Any]) -> list[str]:
    known = {row["collection"]: row for row in state["collections"]}
    problems = []
    for name in config.declaration.collections:
        problems += _problems_of(name, known.get(name))
    problems += [
        f"{name} is in the table but no longer declared; it stays until `suimon drop {name}`."
        for name in known
        if name not in config.declaration.collections
    ]
    problems += [f"{row['collection']} was not published: {row['sentence']}." for row in state["fallen"]]
    refused: dict[str, int] = {}
    for row in state["held_back"]:
        if row["kind"] == "chunk":
            refused[row["collection"]] = refused.get(row["collection"], 0) + row["published"]
    problems += [
        f"{name}: {count} published chunks cannot be searched, the endpoint refused their text."
        for name, count in refused.items()
        if count
    ]
    for row in state["profiles"]:
        declared = config.declaration.collections.get(row["collection"])
        problems += _problems_of_profiles(row) if declared and declared.profiles else []
    problems += [
        f"{row['collection']}: the last verification found {row['unmended']} rows that are wrong; run "
        f"`suimon verify {row['collection']} --repair`."
        for row in state["verifications"]
        if row["unmended"]
    ]
    if os.environ.get(ALLOW_OLD_PGVECTOR) == "1":
        problems.append(f"{ALLOW_OLD_PGVECTOR} is set: a pgvector below the security floor is accepted.")
    return problems


def _problems_of(name: str, row: Mapping[str, Any] | None) -> list[str]:
    """Say what of a declared collection needs a person."""
    problems = []
    pinned = _pinned(row) if row else None
    if pinned:
        problems.append(pinned)
    if row is None or row["publish"] is None:
        return [*problems, f"{name} was never published; run `suimon refresh {name}`."]
    if row["outcome"] not in GOOD_OUTCOMES:
        problems.append(f"{name}: the last refresh (run {row['run_id']}) ended with: {row['outcome']}.")
    if row["quarantined"]:
        problems.append(f"{name}: {row['quarantined']} documents are in quarantine.")
    if row["vanished"]:
        problems.append(f"{name}: {row['vanished']} published documents are gone from the source.")
    if row["unembedded"] and not row["refreshing"]:
        problems.append(
            f"{name}: {row['unembedded']} documents wait for the vectors of {row['unembedded_texts']} texts; the next "
            "refresh goes on."
        )
    if row["wanted_texts"] and not row["refreshing"]:
        problems.append(
            f"{name}: {row['wanted_texts']} texts of published documents wait for a vector; run "
            f"`suimon refresh {name}`."
        )
    return problems


def _problems_of_profiles(row: Mapping[str, Any]) -> list[str]:
    """Say what of a collection's profiles needs a person."""
    name, waiting, failed = row["collection"], row["waiting"], row["failed"]
    problems = []
    if row["failure"] and waiting:
        waits = "document waits" if waiting == 1 else "documents wait"
        problems.append(f"{name}: {waiting} {waits} for a profile, and the last attempt failed: {row['failure']}")
    elif row["failure"]:
        problems.append(f"{name}: the last attempt to make profiles failed: {row['failure']}")
    if failed:
        problems.append(f"{name}: {undescribed(name, failed)}")
    return problems


def _pinned(row: Mapping[str, Any]) -> str | None:
    if row["pinned_to"] is None:
        return None
    by = f" by {row['pinned_by']}" if row["pinned_by"] else ""
    return (
        f"{row['collection']} is rolled back to publish {row['pinned_to']}{by}: refreshes prepare but do not publish; "
        f"`suimon unpin {row['collection']}` lets them."
    )


def show(state: dict[str, Any]) -> None:
    """Print the state for people: a table on a terminal, tab-separated lines elsewhere."""
    _show_collections(state["collections"])
    console.print()
    for space in state["spaces"]:
        console.print(sentence_of(space))
    _show_quarantine(state["quarantine"], sum(row["rows"] for row in state["held_back"]))
    _show_quality(state["quality"])
    _show_profiles(state["profiles"])
    _show_costs(state["costs"])
    _show_upkeep(state["verifications"], state["sweep"])
    console.print(f"\nrunning: {', '.join(state['running']) or 'nothing of this checkout'}")
    for problem in state["problems"]:
        console.print(f"[yellow]{escape(problem)}[/]")


def _show_collections(rows: list[dict[str, Any]]) -> None:
    columns = (
        "collection", "documents", "current", "waiting", "held", "shown", "chunks", "publish", "refreshed", "outcome",
    )  # fmt: skip
    lines = [
        (
            row["collection"], row["documents"], row["up_to_date"], row["waiting"], row["quarantined"],
            row["published"], row["chunks"], row["publish"] or "-",
            f"{row['last_refresh']:%m-%d %H:%M}" if row["last_refresh"] else "never", row["outcome"] or "-",
        )
        for row in rows
    ]  # fmt: skip
    table(columns, lines)
    for row in rows:
        parts = [f"{row[kind]:,} {what}" for kind, what in WAITING.items() if row[kind]]
        if parts:
            console.print(f"{row['collection']}: documents that wait: {', '.join(parts)}")
        if row["postponed"]:
            console.print(
                f"{row['collection']}: a budget left out {row['postponed']:,} of them; a later refresh goes on"
            )
        if row["older_recipe"]:
            console.print(f"{row['collection']}: {row['older_recipe']:,} published documents are of an older recipe")


def _show_quarantine(rows: list[dict[str, Any]], total: int) -> None:
    if not rows:
        return
    console.print()
    lines = [
        (
            row["collection"], row["uri"], "document" if row["kind"] == "document" else f"chunk {row['ordinal']}",
            row["stage"], row["reason"], row["detail"], row["attempts"],
        )
        for row in rows
    ]  # fmt: skip
    table(("collection", "uri", "what", "stage", "reason", "detail", "attempts"), lines, title="quarantine")
    if total > len(rows):
        console.print(f"and {total - len(rows):,} more; the view search.quarantine has all")
    for reason, message in {row["reason"]: row["message"] for row in rows}.items():
        console.print(f"[bold]{reason}[/]: {message}")


def _show_quality(rows: list[dict[str, Any]]) -> None:
    if rows:
        console.print()
        lines = [
            (
                row["collection"], row["publish"], row["space"], row["leg"], f"{row['recall']:.3f}",
                f"{row['mrr']:.3f}", f"{row['ndcg']:.3f}", row["k"], row["questions"], row["left_out"],
            )
            for row in rows
        ]  # fmt: skip
        columns = ("collection", "publish", "space", "leg", "recall", "MRR", "nDCG", "at", "questions", "left out")
        table(columns, lines, title="golden questions")


def _show_profiles(rows: list[dict[str, Any]]) -> None:
    lines = [
        (row["collection"], f"{row['described']:,}", f"{row['waiting']:,}", f"{row['failed']:,}", row["reason"] or "")
        for row in rows
    ]
    if lines:
        console.print()
        table(("collection", "described", "waiting", "failed", "mostly because"), lines, title="profiles")


def _show_costs(rows: list[dict[str, Any]]) -> None:
    lines = [
        (
            row["collection"] or "(all)", when, row["stage"], row["model"],
            f"{row[f'{key}_requests']:,}", f"{row[f'{key}_inputs']:,}",
            f"{row[f'{key}_tokens']:,}", _money(row[f"{key}_cost"], row["currency"]),
        )
        for row in rows
        for key, when in (("last", "last refresh"), ("day", "today"))
        if row[f"{key}_requests"] or row[f"{key}_inputs"]
    ]  # fmt: skip
    if lines:
        console.print()
        table(("collection", "when", "for", "model", "requests", "inputs", "tokens", "cost"), lines, title="cost")


def _money(amount: float | None, currency: str | None) -> str:
    """Write an amount with as many digits as small prices need."""
    return "-" if amount is None else f"{amount:.6f}".rstrip("0").rstrip(".") + f" {currency}"


def _show_upkeep(verifications: list[dict[str, Any]], sweep: dict[str, Any] | None) -> None:
    if verifications or sweep:
        console.print()
    for row in verifications:
        found = f"{row['unmended']:,} rows are wrong" if row["unmended"] else "nothing is wrong"
        console.print(f"{row['collection']}: last verified {row['ended_at']:%Y-%m-%d %H:%M}, {found}")
    if sweep:
        removed = ", ".join(f"{count:,} {name}" for name, count in sweep["removed"].items() if count)
        megabytes = (sweep["bytes_before"] - sweep["bytes_after"]) / 1_000_000
        console.print(
            f"last sweep {sweep['ended_at']:%Y-%m-%d %H:%M}: {removed or 'nothing'} removed, {megabytes:,.1f} MB freed"
        )
