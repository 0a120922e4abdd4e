"""Real, damaged and hostile documents in one collection and one run, scored against what must be in them.

The documents are not part of this repository: a folder with `documents/manifest.jsonl` and `check_snippets.py`
is named, or found beside the checkout. Each row of the manifest says what is expected of a file: its text, with
snippets that must be in it, a refusal, or either. What is scored is what readers see.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from suimon_setting import STATE, postgres_url, run_name, workbench  # noqa: E402

from assets.engine import refresh_collection  # noqa: E402
from assets.workbench import Workbench  # noqa: E402
from tests.fakes.embedding_server import EmbeddingServer, serve  # noqa: E402

FOUND = """
SELECT d.uri,
       (SELECT jsonb_agg(jsonb_build_array(e.text, e.elements) ORDER BY e.elements_id) FROM corpus.heads AS h
        JOIN corpus.chunk_sets AS s USING (chunk_set_id) JOIN corpus.elements AS e USING (elements_id)
        JOIN corpus.documents AS part ON part.document_id = h.document_id
        WHERE part.document_id = d.document_id OR starts_with(part.uri, d.uri || '!/')) AS parses,
       (SELECT string_agg(q.reason || ' ' || q.detail, ', ') FROM corpus.quarantine AS q
        WHERE q.document_id = d.document_id) AS reason
FROM corpus.documents AS d WHERE d.parent_id IS NULL AND d.vanished_at IS NULL
"""


def main() -> None:
    """Refresh the collection, score it, print what it missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    beside = HERE.parent.parent / "shared" / "fixtures"
    parser.add_argument("--fixtures", type=Path, default=beside, help="the folder with documents/manifest.jsonl")
    parser.add_argument("--include", default="**/*", help="glob below documents/, to look at some alone")
    options = parser.parse_args()
    manifest = options.fixtures / "documents" / "manifest.jsonl"
    if not manifest.is_file():
        sys.exit(f"There is no {manifest}; name the folder with --fixtures.")
    with serve(EmbeddingServer()) as endpoint:
        bench = workbench(
            postgres_url("documents", fresh=True), endpoint.url, options.fixtures / "documents",
            include=[options.include], exclude=["manifest.jsonl", "reference_text/**"],
            limits={"vanished_share": 1.0, "quarantined_share": 1.0, "parse_seconds": 60, "parse_memory_mb": 2048},
        )  # fmt: skip
        started = time.perf_counter()
        summary = refresh_collection(bench, "bench", run_name())
        seconds = time.perf_counter() - started
        results = {row["path"]: row for row in _results(bench)}
        bench.close()
    path = STATE / "documents.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in results.values()), encoding="utf-8")
    for row in sorted(results.values(), key=lambda row: row["path"]):
        if row["outcome"] != "text":
            print(f"{row['path']}: {row['outcome']} {row.get('reason') or ''}")
    counts = summary.reports["elements"].counts
    print(f"one run of {len(results)} files in {seconds:.1f} s: {counts}")
    scored = subprocess.run(
        [sys.executable, str(options.fixtures / "check_snippets.py"), str(manifest), str(path)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    print(scored, end="")
    met, _, all_ = scored.strip().rpartition("\n")[2].partition(" of ")
    sys.exit(0 if met == all_ else 1)


def _results(bench: Workbench) -> Iterator[dict[str, Any]]:
    with bench.database.connect() as session:
        for uri, parses, reason in session.connection.execute(FOUND.encode()):
            text = "\n".join(_written(whole, elements) for whole, elements in parses or [])
            outcome = "text" if text else "reject" if reason else "empty"
            yield {"path": uri, "outcome": outcome, "text": text or "", "reason": reason}


def _written(text: str, elements: list[dict[str, Any]]) -> str:
    """Return a document's text without the bars that we put between cells: they are notation, as markup is."""
    pieces = [(text[e["start"] : e["end"]], e["kind"]) for e in elements]
    return "\n\n".join(piece.replace(" | ", " ") if kind == "Table" else piece for piece, kind in pieces)


if __name__ == "__main__":
    main()
