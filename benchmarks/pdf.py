"""PDF: pages a second of the pipeline's elements stage, beside the bare parser in one process.

    python benchmarks/pdf.py FOLDER --rounds 3

FOLDER holds PDF files; by default the sample corpus, each file many times over with other bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from suimon_setting import REPOSITORY, STATE, postgres_url, run_name, workbench

BARE = """
import sys, time, io
from pathlib import Path
import assets.elements.preload, assets.elements.preload_pdf
from assets.elements.parsing import _pdf
pages = 0
files = sorted(Path(sys.argv[1]).glob("*.pdf"))
started = time.perf_counter()
for path in files:
    pages += max((e.metadata.page_number or 0 for e in _pdf(path.read_bytes())), default=0)
print(pages, time.perf_counter() - started)
"""


def prepare(source: Path, copies: int) -> Path:
    """Copy the files, each copy with other bytes behind its end, so that none is known already."""
    folder = STATE / "pdf"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in range(copies):
        for path in sorted(source.rglob("*.pdf")):
            mark = f"\n% copy {number}\n".encode()
            (folder / f"{number:03d}-{path.name}").write_bytes(path.read_bytes() + mark)
    return folder


def main() -> None:
    """Run the rounds, the bare parser and the pipeline in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path, nargs="?", default=REPOSITORY / "examples" / "corpus")
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = prepare(options.source, options.copies)
    from assets.elements import stage
    from assets.refresh import end_refresh, open_refresh

    bare, piped = [], []
    for _ in range(options.rounds):
        command = [sys.executable, "-c", BARE, str(folder)]
        done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
        pages, seconds = done.stdout.split()
        bare.append(int(pages) / float(seconds))
        bench = workbench(postgres_url("bench_pdf", fresh=True), "http://127.0.0.1:9/v1", folder)
        from assets.documents.stage import run as scan

        with open_refresh(bench, "bench", run_name()) as refresh:
            scan(refresh)
            # A warm pool, as in a worker that has run before: the imports are not the parser's speed.
            bench.parser_pool.warm(("assets.elements.preload_pdf",))
            _warm(bench, folder)
            started = time.perf_counter()
            report = stage.run(refresh)
            piped.append(report.counts["pages"] / (time.perf_counter() - started))
        end_refresh(bench, "bench", "benchmark")
        bench.close()
    figures = {"bare pages/s, one process": bare, f"elements stage pages/s, {os.cpu_count()} cores": piped}
    for name, values in figures.items():
        print(f"{name:40} median {statistics.median(values):6.1f}   {min(values):.1f}-{max(values):.1f}")
    print(f"ratio {statistics.median(piped) / statistics.median(bare):.2f}")
    results = REPOSITORY / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    (results / "pdf.json").write_text(json.dumps(figures, indent=1))


def _warm(bench: object, folder: Path) -> None:
    import hashlib

    from resources.parser_pool import Task

    first = min(folder.glob("*.pdf"), key=lambda path: path.stat().st_size)
    digest = hashlib.sha256(first.read_bytes()).digest()
    tasks = [Task(n, (str(first), "pdf", digest)) for n in range(4)]
    list(bench.parser_pool.map(tasks, seconds=60, memory_mb=2048))  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
