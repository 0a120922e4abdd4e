"""Seeded folders of documents, English and Japanese, and seeded edits of them."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

WORDS = (
    "gate", "sluice", "water", "level", "hinge", "grease", "winter", "flood", "pump", "valve", "river", "tide", "chart",
    "survey", "keeper", "lamp", "signal", "rope", "bridge", "harbour", "weir", "basin", "lock", "concrete", "rust",
    "paint", "inspection", "night", "shift", "report", "alarm", "sensor", "battery",
)  # fmt: skip
PHRASES = (
    "水門を開ける", "水位を測る", "点検は毎月行う", "潮の満ち引き", "油を差す", "冬の前に塗る", "川の流れ",
    "警報が鳴る", "夜勤の記録", "堤防の見回り", "電池を替える", "橋の下", "鉄の扉", "港の灯り",
)  # fmt: skip
_clock = itertools.count(1_700_000_000, 10)


def write(folder: Path, name: str, content: str) -> None:
    """Write a file with a time stamp of its own, old enough to be trusted."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    stamp = next(_clock)
    os.utime(path, (stamp, stamp))


def english(rng: random.Random) -> str:
    """Write a small document."""
    sentence = " ".join(rng.choices(WORDS, k=rng.randint(5, 12)))
    title = " ".join(rng.choices(WORDS, k=2)).title()
    parts = [f"# {title}", sentence.capitalize() + "."]
    for _ in range(rng.randint(1, 3)):
        body = " ".join(rng.choices(WORDS, k=rng.randint(8, 30)))
        parts.append(f"## {rng.choice(WORDS).title()}\n\n{body.capitalize()}.")
    return "\n\n".join(parts) + "\n"


def japanese(rng: random.Random) -> str:
    """Write a small document in Japanese."""
    parts = [f"# {rng.choice(PHRASES)}"]
    parts += ["。".join(rng.choices(PHRASES, k=rng.randint(2, 5))) + "。" for _ in range(rng.randint(1, 3))]
    return "\n\n".join(parts) + "\n"


def document(rng: random.Random) -> tuple[str, str]:
    """Make a document: its name and its content; one in ten has no text, and is to be quarantined."""
    number = rng.randrange(10**6)
    kind = rng.random()
    if kind < 0.1:
        return f"blank_{number}.txt", " \n" * rng.randint(1, 5)
    if kind < 0.5:
        return f"記録/水門_{number}.md", japanese(rng)
    return f"notes/gate_{number}.md", english(rng)


def plant(folder: Path, rng: random.Random, documents: int) -> None:
    """Fill an empty folder."""
    folder.mkdir(parents=True)
    for _ in range(documents):
        write(folder, *document(rng))


def files(folder: Path) -> list[Path]:
    """Return all documents in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def edit(folder: Path, rng: random.Random, former: Path | None) -> str:
    """Change one thing; returns what it was.

    Args:
        folder: the documents.
        rng: decides.
        former: the same documents as they once were, for reverts.
    """
    kinds: dict[str, int] = {"add": 4, "edit": 4, "rename": 2, "copy": 2, "delete": 2, "revert": 2}
    present = files(folder)
    if len(present) < 4:
        return _add(folder, rng, present)
    kind = rng.choices(list(kinds), weights=list(kinds.values()))[0]
    if kind == "revert" and former is not None:
        return _revert(folder, rng, former)
    actions: dict[str, Callable[[Path, random.Random, list[Path]], str]] = {
        "add": _add, "edit": _edit, "rename": _rename, "copy": _copy, "delete": _delete, "revert": _edit,
    }  # fmt: skip
    return actions[kind](folder, rng, present)


def _add(folder: Path, rng: random.Random, present: list[Path]) -> str:
    write(folder, *document(rng))
    return "add"


def _edit(folder: Path, rng: random.Random, present: list[Path]) -> str:
    path = rng.choice(present)
    added = english(rng) if path.name.startswith("gate") else japanese(rng)
    kept = path.read_text("utf-8") if rng.random() < 0.6 else ""
    write(folder, str(path.relative_to(folder)), kept + "\n" + added)
    return "edit"


def _rename(folder: Path, rng: random.Random, present: list[Path]) -> str:
    path = rng.choice(present)
    path.rename(path.with_name(f"{path.stem}_r{rng.randrange(1000)}{path.suffix}"))
    return "rename"


def _copy(folder: Path, rng: random.Random, present: list[Path]) -> str:
    path = rng.choice(present)
    shutil.copy2(path, path.with_name(f"{path.stem}_c{rng.randrange(1000)}{path.suffix}"))
    return "copy"


def _delete(folder: Path, rng: random.Random, present: list[Path]) -> str:
    rng.choice(present).unlink()
    return "delete"


def _revert(folder: Path, rng: random.Random, former: Path) -> str:
    path = rng.choice(files(former))
    write(folder, str(path.relative_to(former)), path.read_text("utf-8"))
    return "revert"
