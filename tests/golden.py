"""A corpus with golden questions that good chunks and a good model answer, and readers who watch it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from resources.postgres import Database
from tests.conftest import write

SUBJECTS = {
    "anchor": ("mooring chain", "forty metres", "harbour master"),
    "boiler": ("steam drum", "nine bar", "duty engineer"),
    "crane": ("slewing ring", "twelve tonnes", "banksman"),
    "dredger": ("suction head", "three knots", "pilot"),
    "ferry": ("bow ramp", "sixty cars", "mate"),
    "lantern": ("fresnel lens", "eighteen miles", "keeper"),
    "pump": ("impeller vane", "two cubic metres", "fitter"),
    "siren": ("diaphragm horn", "one minute", "warden"),
    "水門": ("水密ゴム", "三十分前", "当直職員"),
}
"""For each document a part, a number and a person that no other one has."""


def plant(folder: Path, more: str = "") -> Path:
    """Write the documents, each passage with something more; returns the folder."""
    folder.mkdir(exist_ok=True)
    for name, (part, number, person) in SUBJECTS.items():
        text = (
            f"# The {name}\n\n## Upkeep\n\nThe {part} of the {name} is looked after by the {person}.{more}\n\n"
            f"## Limits\n\nThe {name} is set to {number}, and the {person} writes the {part} into the book.{more}\n"
        )
        write(folder, f"{name}.md", text)
    return folder


def ask(path: Path, *, without: str = "", **more: Any) -> Path:
    """Write a golden question or two for each document."""
    lines: list[dict[str, Any]] = []
    for name, (part, number, _) in SUBJECTS.items():
        if name != without:
            lines.append(
                {
                    "id": f"who-{name}",
                    "question": f"who looks after the {part} of the {name}",
                    "answers": [f"{name}.md"],
                }
            )
            lines.append(
                {
                    "id": f"set-{name}",
                    "question": f"what is the {name} set to",
                    "answers": [{"uri": f"{name}.md", "text": f"set to {number}"}],
                }
            )
    path.write_text("".join(json.dumps(line | more, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


@contextmanager
def watching(database: Database, query: str) -> Iterator[set[tuple[Any, ...]]]:
    """Poll as a reader for as long as the block lasts; gives every answer that was ever seen."""
    seen: set[tuple[Any, ...]] = set()
    stopped = threading.Event()
    polls: list[float] = []

    def poll() -> None:
        with database.connect("reader") as session:
            while not stopped.is_set():
                seen.add(tuple(session.connection.execute(query.encode()).fetchall()))
                polls.append(0.0)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stopped.set()
        thread.join(timeout=30)
    assert len(polls) > 3, "the reader did not get to look"
