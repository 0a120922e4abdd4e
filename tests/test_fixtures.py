"""Real, damaged and hostile documents that nobody on this project made: each meets its expectation, none harms another.

They are not part of the repository. `make documents` runs all of them through a refresh; this is the short form.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import pytest

from assets.documents.detection import STATES, detect_format
from assets.elements.readers.tools import find_tool
from resources.parser_pool import Outcome, ParserPool, Task

FIXTURES = Path(__file__).resolve().parent.parent.parent / "shared" / "fixtures"
MANIFEST = FIXTURES / "documents" / "manifest.jsonl"

SLOW = {"real/pdf/ocrmypdf__linn.pdf", "real/image/ocrmypdf__linn.png"}
"""Ten seconds of OCR each."""

BEYOND_THE_MODEL = {"real/image/unstructured__jpn-vert.jpeg"}
"""It holds 倣, which no Japanese model of Debian's tesseract has among its characters."""

pytestmark = pytest.mark.skipif(not MANIFEST.is_file(), reason="the fixtures are not beside the checkout")


def read_manifest() -> list[dict[str, Any]]:
    """Return the rows that this machine can read and that are quick."""
    rows = [json.loads(line) for line in MANIFEST.read_text("utf-8").splitlines()]
    if find_tool("tesseract") is None:
        rows = [row for row in rows if not row.get("ocr") and row["format"] != "image"]
    if find_tool("soffice") is None:
        rows = [row for row in rows if row["format"] not in {"doc", "ppt"}]
    return [row for row in rows if row["path"] not in SLOW | BEYOND_THE_MODEL]


def task_for(path: str) -> tuple[str, Task]:
    """Return a file's format and what a parser process is told."""
    file = FIXTURES / "documents" / path
    content = file.read_bytes()
    kind = detect_format(content[: 1 << 16], file.name, io.BytesIO(content))
    return kind, Task((path, ()), (str(file), kind, hashlib.sha256(content).digest(), ()))


def shown(outcome: Outcome) -> str:
    """Return a document's text without the bars that we put between cells, which are notation."""
    text, elements = outcome.value.text, json.loads(outcome.value.elements)
    pieces = [(text[e["start"] : e["end"]], e["kind"]) for e in elements]
    return "\n\n".join(piece.replace(" | ", " ") if kind == "Table" else piece for piece, kind in pieces)


def attached(outcome: Outcome) -> list[Task]:
    """Return the tasks of what a mail holds."""
    path, parts = outcome.key
    file = str(FIXTURES / "documents" / path)
    return [
        Task((path, (*parts, a["part"])), (file, a["format"], bytes.fromhex(a["digest"]), (*parts, a["part"])))
        for a in json.loads(outcome.value.attachments)
        if a["format"] not in STATES
    ]


def test_every_document_meets_its_expectation(parser_pool: ParserPool) -> None:
    spec = importlib.util.spec_from_file_location("check_snippets", FIXTURES / "check_snippets.py")
    assert spec is not None
    assert spec.loader is not None
    scoring = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scoring)
    rows = read_manifest()
    texts: dict[str, str] = {row["path"]: "" for row in rows}
    tasks = [task for kind, task in map(task_for, texts) if kind not in STATES]
    while tasks:
        further: list[Task] = []
        for outcome in parser_pool.map(tasks, seconds=60, memory_mb=2048):
            if outcome.failure is None:
                texts[outcome.key[0]] += shown(outcome) + "\n"
                further += attached(outcome)
        tasks = further
    misses = {}
    for row in rows:
        text = texts[row["path"]].strip()
        result = {"outcome": "text" if text else "reject", "text": text}
        bad, missing, _, leaked = scoring.check(row, result)
        if bad or missing or leaked:
            misses[row["path"]] = (bad, missing, leaked)
    assert misses == {}
    assert len(rows) >= 100
