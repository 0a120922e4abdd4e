"""An unchanged refresh of a large collection: seconds beside the bare listing, and peak memory.

    python benchmarks/unchanged.py --files 100000 --rounds 5

The files are written and loaded once, and found again by the next run. Each round is a fresh process, which
lists the folder as bare Python does (scandir and stat), then refreshes, and tells its peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from suimon_setting import STATE, endpoint, postgres_url, run_name, workbench

A_FOLDER = 1000
OLD = 1_700_000_000


def write_files(folder: Path, files: int) -> None:
    """Write small text files, old enough for their stamps to be trusted."""
    for number in range(files):
        path = folder / f"{number // A_FOLDER:04d}" / f"{number:07d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Reading number {number}. The water stood at {number % 977} millimetres.\n")
        os.utime(path, (OLD, OLD))


def bare_listing(folder: Path) -> int:
    """List and stat everything below a folder, as cheaply as Python can."""
    count = 0
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
                    count += 1
    return count


def peak_megabytes() -> float:
    """Return the high-water mark of this process's memory, which getrusage would inherit from its parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def load(database: str, folder: Path) -> None:
    """Load the collection once."""
    from assets.engine import refresh_collection

    with endpoint() as base_url:
        bench = workbench(database, base_url, folder)
        started = time.perf_counter()
        summary = refresh_collection(bench, "bench", run_name())
        bench.close()
    stages = {name: report.seconds for name, report in summary.reports.items()}
    audits = round(sum(summary.audit_seconds.values()), 1)
    peak = peak_megabytes()
    print(f"loaded in {time.perf_counter() - started:.0f} s: {stages}, audits {audits}, peak {peak:.0f} MB", flush=True)


def one_round(database: str, folder: Path) -> None:
    """List, refresh, and print what it took, as JSON."""
    from assets.engine import refresh_collection

    bare_listing(folder)  # The page cache is warm for both.
    started = time.perf_counter()
    files = bare_listing(folder)
    listing = time.perf_counter() - started
    # Nothing listens there: a refresh that asked the endpoint would fail.
    bench = workbench(database, "http://127.0.0.1:9/v1", folder)
    before = peak_megabytes()
    started = time.perf_counter()
    summary = refresh_collection(bench, "bench", run_name())
    seconds = time.perf_counter() - started
    peak = peak_megabytes()
    assert not summary.changed
    loaded = sorted({"unstructured", "great_expectations", "openai"} & set(sys.modules))
    answer = {"files": files, "listing": listing, "refresh": seconds, "peak_mb": peak,
              "grew_mb": peak - before, "loaded": loaded}  # fmt: skip
    print(json.dumps(answer))


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = STATE / f"many-{options.files}"
    name = f"unchanged_{options.files}"
    if options.round:
        one_round(postgres_url(name, fresh=False), folder)
        return
    mark = folder.with_suffix(".loaded")
    database = postgres_url(name, fresh=not mark.exists())
    if not mark.exists():
        write_files(folder, options.files)
        load(database, folder)
        mark.touch()
    command = [sys.executable, __file__, "--round", f"--files={options.files}"]
    rounds = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(options.rounds)
    ]
    for key in ("listing", "refresh", "peak_mb", "grew_mb"):
        values = [item[key] for item in rounds]
        print(f"{key:10} median {statistics.median(values):8.3f}   {min(values):.3f}-{max(values):.3f}")
    print(f"files {rounds[0]['files']}, heavy libraries loaded: {rounds[0]['loaded']}")
    (STATE.parent.parent / "benchmarks" / "results").mkdir(exist_ok=True)
    (STATE.parent.parent / "benchmarks" / "results" / "unchanged.json").write_text(json.dumps(rounds, indent=1))


if __name__ == "__main__":
    main()
