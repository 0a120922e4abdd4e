"""Megabytes and pages a second by format: our readers beside unstructured alone, in the same warm process.

    python benchmarks/formats.py [FOLDER] --rounds 5

FOLDER holds documents of many formats; by default the fixtures beside the checkout, else the sample corpus. Both
sides run on one core, in turns; the last line gives the parser processes on all cores. unstructured alone runs with
our rules in place of its English model, which would take nine tenths of its time on text (docs/decisions/0003).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import io
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import assets.elements.preload  # noqa: E402, F401
from assets.documents.detection import STATES, detect_format  # noqa: E402
from assets.elements.parsing import SUPPORTED, assemble, modules_for, reader_of  # noqa: E402
from resources.parser_pool import ParserPool, Task  # noqa: E402

BARE = {
    "pdf": {"strategy": "fast", "languages": ["eng"]},
    **{name: {"languages": [""]} for name in
       ("md", "html", "docx", "pptx", "xlsx", "csv", "tsv", "txt", "xml", "epub", "odt", "rst", "org", "rtf", "msg")},
    "eml": {"languages": [""], "process_attachments": False},
}  # fmt: skip
"""How unstructured alone is called, for the formats that it reads without other programs of ours."""

LEAST_SECONDS = 0.5


@dataclass
class Figures:
    """What was measured of a format.

    Attributes:
        megabytes: of the files once.
        pages: of the files once, as our reader counts them.
        ours: seconds for all files, one a round.
        bare: the same of unstructured alone.
        failed: files that unstructured alone does not read, and scans; they count for neither side.
    """

    megabytes: float = 0.0
    pages: int = 0
    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    failed: int = 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    beside = HERE.parent.parent / "shared" / "fixtures" / "documents" / "real"
    parser.add_argument(
        "folder", type=Path, nargs="?", default=beside if beside.is_dir() else HERE.parent / "examples" / "corpus"
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    files = collect(options.folder)
    print(f"{'format':7}{'files':>6}{'MB':>8}{'ours MB/s':>11}{'bare MB/s':>11}{'ratio':>7}{'ours pages/s':>14}")
    results = {name: vars(measure(name, contents, options.rounds)) for name, contents in sorted(files.items())}
    for name, found in results.items():
        _print(name, len(files[name]), found)
    _print_pool(files)
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / "formats.json").write_text(json.dumps(results, indent=1))


def collect(folder: Path) -> dict[str, list[bytes]]:
    """Return the contents of a folder's documents by format."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            kind = detect_format(content[: 1 << 16], path.name, io.BytesIO(content))
            if kind not in STATES and kind in BARE:
                found[kind].append(content)
    return found


def measure(name: str, contents: list[bytes], rounds: int) -> Figures:
    """Read the files of a format by both, in turns."""
    figures = Figures()
    ours = reader_of(name)
    bare = _bare(name)
    both = []
    for content in contents:
        try:
            bare(content)
            parsed = assemble(ours(content))
        except Exception:
            figures.failed += 1
            continue
        if parsed.counters.get("pages_recognised"):  # OCR takes seconds a page, and unstructured alone does none here.
            figures.failed += 1
            continue
        both.append(content)
        figures.megabytes += len(content) / 1e6
        figures.pages += parsed.pages
    for _ in range(rounds if both else 0):
        figures.ours.append(_seconds(lambda content: assemble(ours(content)), both))
        figures.bare.append(_seconds(bare, both))
    return figures


def _bare(name: str) -> Callable[[bytes], Any]:
    called = {"eml": "email", "txt": "text"}.get(name, name)
    partition = getattr(importlib.import_module(f"unstructured.partition.{called}"), f"partition_{called}")
    options = BARE[name]
    return lambda content: list(partition(file=io.BytesIO(content), **options))


def _seconds(read: Callable[[bytes], Any], contents: list[bytes]) -> float:
    """Return the seconds of one pass, over as many passes as take half a second."""
    started = time.perf_counter()
    passes = 0
    while time.perf_counter() - started < LEAST_SECONDS:
        for content in contents:
            read(content)
        passes += 1
    return (time.perf_counter() - started) / passes


def _print(name: str, files: int, found: dict[str, Any]) -> None:
    if not found["ours"]:
        print(f"{name:7}{files:6}  unstructured alone reads none of them")
        return
    ours, bare = statistics.median(found["ours"]), statistics.median(found["bare"])
    size, pages = found["megabytes"], found["pages"]
    per_page = f"{pages / ours:14.1f}" if pages else ""
    rest = f"  ({found['failed']} left out)" if found["failed"] else ""
    print(f"{name:7}{files:6}{size:8.2f}{size / ours:11.2f}{size / bare:11.2f}{bare / ours:7.2f}{per_page}{rest}")


def _print_pool(files: dict[str, list[bytes]]) -> None:
    """Parse everything in the parser processes, as a refresh does, once to warm up and once to measure."""
    import tempfile

    pool = ParserPool("assets.elements.parsing:parse_packed", preload=("assets.elements.preload",))
    pool.warm(modules_for(SUPPORTED))
    with tempfile.TemporaryDirectory() as folder:
        tasks = []
        for kind, contents in files.items():
            for number, content in enumerate(contents):
                path = Path(folder) / f"{number}.{kind}"
                path.write_bytes(content)
                tasks.append(Task(path.name, (str(path), kind, hashlib.sha256(content).digest())))
        seconds = 0.0
        for _ in range(2):
            started = time.perf_counter()
            list(pool.map(tasks, seconds=60, memory_mb=2048))
            seconds = time.perf_counter() - started
    pool.close()
    size = sum(len(content) for contents in files.values() for content in contents) / 1e6
    print(f"parser processes on {os.cpu_count()} cores: {len(tasks)} files, {size:.1f} MB in {seconds:.2f} s")


if __name__ == "__main__":
    main()
