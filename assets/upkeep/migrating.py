"""Moving to another space in one go: add it, fill it with every declared collection, promote it if asked to."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from assets.engine import refresh_collection
from assets.upkeep import spaces
from assets.upkeep.space_states import describe_spaces
from assets.vectors.spaces import KnownSpace
from assets.workbench import Workbench
from resources.errors import SuimonError


@dataclass(frozen=True)
class Moved:
    """How far a space is.

    Attributes:
        space: which.
        obstacles: sentences, where a collection could not be filled; then nothing was promoted.
        texts: by collection, how many of its texts are settled in the space.
        promoted: whether readers see it since now.
    """

    space: KnownSpace
    obstacles: list[str]
    texts: dict[str, int] = field(default_factory=dict)
    promoted: bool = False


def migrate_space(bench: Workbench, name: str, *, promote: bool, run_id: str) -> Moved:
    """Add a space if it is not kept yet, fill it, and promote it if that was asked and nothing is missing.

    Each collection is refreshed under its own lease; one that fails does not keep the others from being filled.

    Args:
        bench: settings and doors.
        name: of the space.
        promote: whether readers are to see it.
        run_id: names the refreshes in the ledger, with a number behind it.

    Raises:
        ConfigurationError: the space is not declared, or cannot be promoted; the sentence says why.
    """
    known, _ = spaces.add(bench, name)
    numbers = itertools.count(1)

    def refresh(collection: str) -> str | None:
        try:
            summary = refresh_collection(bench, collection, f"{run_id}-{next(numbers)}")
        except SuimonError as error:
            return str(error.args[0])
        notes = [note for report in summary.reports.values() for note in report.notes]
        return " ".join(notes) or None

    outcome = spaces.fill(bench, name, bench.collections, refresh)
    obstacles = [why for why in outcome.values() if why]
    promoted = promote and not obstacles and spaces.promote(bench, name) != name
    with bench.database.connect() as session:
        (state,) = (state for state in describe_spaces(session, bench, counted=True) if state["space"] == name)
    texts = {row["collection"]: row["settled"] for row in state["collections"]}
    return Moved(known, obstacles, texts, promoted)
