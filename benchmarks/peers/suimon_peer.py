"""Suimon behind the same protocol; run with the repository's own interpreter.

The engine is timed as the others are, from listing to publish in a warm process. It does two things that no
peer does, and that are reported apart: it audits with Great Expectations between the stages, and it builds
an HNSW index after the first load.
"""

from __future__ import annotations

import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

import psycopg
from protocol import BATCH, MODEL, Setting, run

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from assets.engine import refresh_collection  # noqa: E402
from assets.settings import Collection, Space  # noqa: E402
from assets.workbench import Doors, Workbench  # noqa: E402
from resources.tokenizers import load_tokenizer  # noqa: E402

COLLECTION = "corpus"


class Suimon:
    """The engine behind the protocol."""

    def __init__(self, setting: Setting) -> None:
        """Import, fork and connect to everything that a running deployment has at hand."""
        import great_expectations  # noqa: F401

        self._setting = setting
        self._bench = self._make_bench()
        self._bench.parser_pool.warm(("unstructured.partition.md",))
        self._warm_workers()

    def _make_bench(self) -> Workbench:
        setting = self._setting
        collection = {
            "source": str(setting.corpus),
            "include": ["**/*.md"],
            "chunking": {"max_tokens": 320, "min_tokens": 24, "heading_path": False},
            "limits": {"vanished_share": 1.0},
        }
        space = {
            "base_url": f"{setting.endpoint}/v1",
            "model": MODEL,
            "tokenizer": "cl100k_base",
            "max_inputs": BATCH,
            "concurrency": 16,
        }
        return Workbench(
            collections={COLLECTION: Collection.model_validate(collection)},
            spaces={"bench": Space.model_validate(space)},
            root=setting.corpus,
            doors=Doors(lambda: setting.database, lambda: ""),
            state_folder=setting.state,
        )

    def _warm_workers(self) -> None:
        """Parse a file, so that both workers exist; count a token, so that the table is loaded."""
        from resources.parser_pool import Task

        with tempfile.NamedTemporaryFile(suffix=".md") as file:
            content = b"# A heading\n\nA sentence.\n"
            Path(file.name).write_bytes(content)
            import hashlib

            tasks = [Task(n, (file.name, "md", hashlib.sha256(content).digest())) for n in range(8)]
            list(self._bench.parser_pool.map(tasks, seconds=60, memory_mb=2048))
        load_tokenizer("cl100k_base").count("a")

    def wipe(self) -> None:
        """Start from nothing: no schema, no space, no ledger. The schema is made again by a migration."""
        with psycopg.connect(self._setting.database, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS corpus, search CASCADE")
        warm = self._bench.__dict__.get("parser_pool")
        self._bench = self._make_bench()
        self._bench.__dict__["parser_pool"] = warm
        _ = self._bench.database  # The migration: what an operator runs once, not a refresh.

    def refresh(self, phase: str) -> dict[str, Any]:
        """One refresh, with what no peer does reported apart."""
        summary = refresh_collection(self._bench, COLLECTION, f"{phase}-{uuid.uuid4().hex}")
        index = summary.reports["publication"].counts.get("index_milliseconds", 0) / 1000
        return {
            "apart": {"audits": sum(summary.audit_seconds.values()), "index": index},
            "stages": {name: report.seconds for name, report in summary.reports.items()},
        }

    def count_rows(self, word: str) -> int:
        """Rows of the published view whose text holds a word."""
        with psycopg.connect(self._setting.database) as connection:
            row = connection.execute("SELECT count(*) FROM search.chunks WHERE text LIKE %s", [f"%{word}%"]).fetchone()
        return int(row[0]) if row else 0


if __name__ == "__main__":
    run(Suimon)
