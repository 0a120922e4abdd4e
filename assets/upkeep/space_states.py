"""What is known of the kept spaces, for people: how far each collection is in each, and what it would still cost."""

from __future__ import annotations

from typing import Any

from assets.vectors.spaces import KnownSpace, read_spaces
from assets.workbench import Workbench
from resources.postgres import Session


def describe_spaces(session: Session, bench: Workbench, *, counted: bool = False) -> list[dict[str, Any]]:
    """Return a line a space, the live one first, with a line a collection in each.

    Args:
        session: that may read everything.
        bench: what is declared.
        counted: whether texts are counted also where a collection is known to be complete.
    """
    return [_describe(session, bench, space, counted=counted) for space in read_spaces(session)]


def _describe(session: Session, bench: Workbench, space: KnownSpace, *, counted: bool) -> dict[str, Any]:
    params = {"space_id": space.space_id, "counted": counted}
    state = {
        "space": space.name, "model": space.model, "dimensions": space.dimensions, "storage": space.storage,
        "live": space.live, "ready": space.ready, "declared": space.name in bench.spaces,
    }  # fmt: skip
    state |= session.record("status/measure_space", params, vectors=space.table)
    declared = bench.spaces.get(space.name)
    price = declared.price_per_million_tokens if declared else None
    collections = session.records("status/read_space_collections", params, vectors=space.table)
    for row in collections:
        row["cost_to_go"] = None if price is None else round(row["tokens_to_go"] * price / 1_000_000, 6)
        row["currency"] = declared.currency if declared and price is not None else None
    return state | {"collections": collections}


def sentence_of(state: dict[str, Any]) -> str:
    """Say in a line what a space is and how far it is."""
    parts = [f"space {state['space']}: {state['model']}, {state['dimensions']:,} dimensions ({state['storage']})"]
    if state["live"]:
        parts.append("live")
    unfilled = [row for row in state["collections"] if not row["filled"] and row["texts"]]
    parts += [f"{row['collection']} {row['settled']:,} of {row['texts']:,} texts" for row in unfilled]
    if not unfilled and not state["live"]:
        parts.append("complete" if state["ready"] else "complete, without an index yet")
    return ", ".join(parts)
