"""The documents of the scorecard's scenarios: made from a seed, a section a chunk."""

from __future__ import annotations

import random
from pathlib import Path

from assets.settings import Collection, Space
from tests.conftest import write

COLLECTION = Collection.model_validate({"source": "corpus"})
"""All settings as they are when nobody chooses any."""

SPACE = Space.model_validate({"model": "fake", "token_limit": 512, "max_inputs": 16, "concurrency": 4})

WORDS = (
    "gate", "water", "level", "hinge", "grease", "valve", "pump", "tide", "weir", "sluice", "river", "basin",
    "crest", "spillway", "siren", "patrol", "bolt", "crane", "cable", "motor", "switch", "panel", "alarm", "record",
    "ledger", "shift", "handover", "inspection", "spring", "autumn", "repair", "drain", "filter", "guard", "ladder",
    "bridge", "channel", "bank", "season", "storm", "flood", "measure", "gauge", "sensor", "relay", "battery",
    "lamp", "paint", "rust", "seal", "bearing",
)  # fmt: skip


def paragraph(random_: random.Random, words: int = 60) -> str:
    """Return sentences of ten words each."""
    drawn = [random_.choice(WORDS) for _ in range(words)]
    return " ".join(" ".join(drawn[at : at + 10]).capitalize() + "." for at in range(0, words, 10))


def manual(seed: int, sections: int) -> str:
    """Return a Markdown document of sections, each as long as one chunk."""
    random_ = random.Random(seed)
    parts = [f"## Section {number} of {seed}\n\n{paragraph(random_)}\n" for number in range(1, sections + 1)]
    return f"# Manual {seed}\n\n" + "\n".join(parts)


def prose(seed: int, paragraphs: int) -> str:
    """Return plain text without any heading: paragraphs of a few sentences, several to a chunk."""
    random_ = random.Random(seed)
    return "\n\n".join(paragraph(random_, random_.choice((20, 30, 40, 50, 70))) for _ in range(paragraphs)) + "\n"


def fill(folder: Path, documents: int, sections: int, first: int = 1) -> None:
    """Write manuals into a folder."""
    for seed in range(first, first + documents):
        write(folder, f"manual{seed:03}.md", manual(seed, sections))
