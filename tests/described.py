"""Documents that are described in several places, and what becomes of a change of the descriptions alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from assets.engine import Summary
from assets.workbench import Workbench
from tests.conftest import write
from tests.fakes.embedding_server import EmbeddingServer

MakeBench = Callable[..., Workbench]


ENGLISH = "The gate is opened when the water is high, and the keeper of the gate writes down who asked for it and when."
REPORT = "---\neffective: 令和6年3月1日\ntags: [点検, 修繕]\nfunded: いいえ\n---\n# 点検報告\n\n水門の点検を行った。\n"

FIELDS: dict[str, Any] = {
    "department": {"type": "string"},
    "year": {"type": "integer"},
    "effective": {"type": "date", "from": ["front_matter", "sidecar"]},
    "tags": {"type": "strings"},
    "funded": {"type": "boolean", "default": True},
    "modified": {"type": "datetime", "from": ["source"]},
    "size": {"type": "integer", "from": ["source"]},
    "language": {"type": "string", "from": ["properties"]},
}
BLOCK: dict[str, Any] = {
    "path": "{department}/{year}/*",
    "sidecar": "{uri}.meta.yaml",
    "manifest": "lists/index.csv",
    "fields": FIELDS,
}


def describe(corpus: Path) -> Path:
    """Write a folder in which every place says something, and nothing else is."""
    for path in corpus.iterdir():
        path.unlink()
    write(corpus, "operations/2024/gate.md", f"# Gate\n\n{ENGLISH}\n")
    write(corpus, "運転/2023/点検.md", REPORT)
    write(corpus, "lists/index.csv", "uri,tags,year\noperations/2024/gate.md,gates,\nnowhere.md,lost,1999\n")
    write(corpus, "運転/2023/点検.md.meta.yaml", "year: 2025\n")
    return corpus


def metadata_alone(summary: Summary, endpoint: EmbeddingServer, embedded: int, moved: int) -> None:
    """Assert that a refresh published metadata and did nothing else."""
    counts = {stage: report.counts for stage, report in summary.reports.items()}
    assert counts["documents"]["listed"] == counts["documents"]["unchanged"]  # Not one was read.
    assert counts["elements"]["parsed"] == 0
    assert {name: counts["publication"][name] for name in ("added", "changed", "metadata_only", "removed")} == {
        "added": 0, "changed": 0, "metadata_only": moved, "removed": 0,
    }  # fmt: skip
    assert len(endpoint.texts) == embedded
