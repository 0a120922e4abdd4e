"""Prints the scorecard: what the sixteen scenarios measured, beside what is known of others.

    python benchmarks/scorecard.py [--markdown]

Every figure of ours comes from tests/test_scorecard.py, run here on an embedded Postgres with an endpoint that counts.
What is said of others was measured side by side in November 2026: CocoIndex 1.0.26, pgai 0.12.1, unstructured-ingest
1.11, LlamaIndex core 0.14 with PGVectorStore 0.9, LangChain index() with langchain-postgres 0.0.19, Haystack pgvector
8.1, chunkshop 0.9.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

SCENARIOS: tuple[tuple[str, str], ...] = (
    ("unchanged rerun of 100 chunks", "LangChain embeds 150 of 250 again, Haystack all"),
    ("one word edited in a document of 200 chunks", "LlamaIndex embeds 200 of 200, chunkshop 57 of 57; CocoIndex 1"),
    ("file of 100 chunks renamed", "CocoIndex embeds 100 of 100"),
    ("file of 100 chunks copied", "CocoIndex embeds 100 of 100"),
    ("file deleted", "unstructured-ingest, LlamaIndex UPSERTS and LangChain incremental keep its rows"),
    ("source unreachable, then empty", "LangChain full cleanup wipes the table"),
    ("one poison chunk of 200", "pgai embeds 0 of 200 for ever; chunkshop aborts"),
    ("NUL bytes, lone surrogates", "LangChain and LlamaIndex lose the batch"),
    ("429 in the middle of an update", "LlamaIndex: 0 rows searchable"),
    ("kill -9 while embedding", "not tested by any of them"),
    ("rows deleted behind its back", 'CocoIndex and LangChain: "no changes"'),
    ("another model", "LangChain and LlamaIndex: silent, 0 embedded"),
    ("other dimensions", "CocoIndex: readers saw 1,899 rows with 0 vectors"),
    ("reader during a refresh of 500 chunks", "unstructured-ingest 0 rows for 1.7 s; LangChain 100 of 250"),
    ("hostile filter value", "LlamaIndex: `t0' OR '1'='1` returned every tenant"),
    ("filter of 2 %, 3,072 dimensions, k = 10", "0 of 10 rows by default everywhere; LlamaIndex scans the table"),
)
"""What is done, and what others do then, by number from 1."""

COLUMNS = ("#", "scenario", "texts embedded", "requests", "rows written", "reader: reads, states", "verdict", "others")


def main() -> None:
    """Run the scenarios, print the table, fail if one is not met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--markdown", action="store_true", help="print the table as it stands in README.md")
    parser.add_argument("--from", dest="path", type=Path, help="print what an earlier run wrote; run nothing")
    options = parser.parse_args()
    path = options.path or ROOT / ".suimon" / "scorecard.json"
    failed = 0 if options.path else measure(path)
    if not path.is_file():
        sys.exit("Nothing was measured; the tests' output above says why.")
    cards = {card["number"]: card for card in json.loads(path.read_text(encoding="utf-8"))}
    rows = list(table(cards))
    print(as_markdown(rows) if options.markdown else as_text(rows))
    print(f"\n{tally(cards)}")
    sys.exit(failed)


def measure(path: Path) -> int:
    """Run the scenarios and have them written to a file; return the tests' exit code."""
    path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="scorecard") as folder:
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", f"--basetemp={folder}/tests", "tests/test_scorecard.py"],
            cwd=ROOT,
            env=os.environ | {"SUIMON_SCORECARD": str(path), "SUIMON_AUDITS": "real"},
            stdout=sys.stderr,
            check=False,
        )
    return ran.returncode


def table(cards: dict[int, dict[str, Any]]) -> Iterator[Sequence[str]]:
    """Return the rows of the table."""
    for number, (scenario, others) in enumerate(SCENARIOS, 1):
        card = cards.get(number)
        if card is None:
            yield str(number), scenario, "", "", "", "", "not run", others
            continue
        verdict = card["verdict"] + (f": {card['note']}" if card["note"] else "")
        seen = f"{card['reads']:,}, {card['states']}"
        yield (
            str(number), scenario, f"{card['texts']:,}", f"{card['requests']:,}", written(card), seen, verdict, others
        )  # fmt: skip


def written(card: dict[str, Any]) -> str:
    """Say how many rows were inserted, updated and deleted, the ledger's own apart."""
    sums = {name: [sum(column) for column in zip(*card[name].values(), strict=True)] for name in ("rows", "ledger")}
    said = {
        name: " ".join(f"{sign}{n:,}" for sign, n in zip("+~-", sums[name] or [0, 0, 0], strict=True) if n)
        for name in sums
    }
    return (said["rows"] or "0") + (f" (ledger {said['ledger']})" if said["ledger"] else "")


def tally(cards: dict[int, dict[str, Any]]) -> str:
    """Count the verdicts."""
    verdicts = [cards[number]["verdict"] if number in cards else "not run" for number in range(1, len(SCENARIOS) + 1)]
    counts = {verdict: verdicts.count(verdict) for verdict in ("met", "partly", "not met", "not run")}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) + f" of {len(SCENARIOS)}."


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Write a table of Markdown."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """Write a table for a terminal: a line of figures, and a line of what others do."""
    shown = [row[:-2] for row in [COLUMNS, *rows]]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = []
    for row in [COLUMNS, *rows]:
        lines.append(
            "  ".join(cell.ljust(width) for cell, width in zip(row[:-2], widths, strict=True)) + "  " + row[-2]
        )
        if row is not COLUMNS:
            lines.append(" " * (widths[0] + 2) + f"others: {row[-1]}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
