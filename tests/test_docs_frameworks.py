"""docs/frameworks.md says the truth: its examples are taken out and run, as they stand, against a real table."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.served import Served

ROOT = Path(__file__).resolve().parent.parent
OTHER = ROOT / ".venv-langchain-postgres" / "bin" / "python"
"""An environment of its own: langchain-postgres pins an older pgvector (`make pgvectorstore` builds it)."""


def examples() -> dict[str, str]:
    """Return the page's programs by the heading that they stand under."""
    page = (ROOT / "docs" / "frameworks.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    found = {}
    for section in sections:
        program = re.search(r"```python\n(.*?)```", section, re.DOTALL)
        if program:
            found[section.splitlines()[0]] = program.group(1)
    return found


def run(program: str, python: Path, served: Served, folder: Path) -> str:
    """Run a program of the page and return what it prints."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT) if python != OTHER else "",
        "PYTHONWARNINGS": "error::ResourceWarning" if python != OTHER else "",
        "TABLE_DSN": served.dsn,
        "EMBEDDING_URL": served.endpoint.url,
    }
    ended = subprocess.run(
        [str(python), "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert list(folder.iterdir()) == []
    return ended.stdout


def test_every_framework_has_an_example() -> None:
    assert list(examples()) == [
        "The client", "LangChain", "LlamaIndex", "Haystack", "langchain-postgres: PGVectorStore on the view",
    ]  # fmt: skip


@pytest.mark.parametrize("heading", ["The client", "LangChain", "LlamaIndex", "Haystack"])
def test_the_example_runs_and_finds_the_gate(heading: str, served: Served, tmp_path: Path) -> None:
    printed = run(examples()[heading], Path(sys.executable), served, tmp_path)
    assert "gate.md" in printed.splitlines()[0]


@pytest.mark.parametrize("heading", ["The client", "LangChain"])
def test_the_example_runs_on_half_precision(heading: str, served_as_halfvec: Served, tmp_path: Path) -> None:
    assert "gate.md" in run(examples()[heading], Path(sys.executable), served_as_halfvec, tmp_path).splitlines()[0]


@pytest.mark.skipif(not OTHER.exists(), reason="no environment with langchain-postgres: make pgvectorstore")
@pytest.mark.parametrize("table", ["served", "served_as_halfvec"])
def test_pgvectorstore_reads_the_view(table: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    served: Served = request.getfixturevalue(table)
    printed = run(examples()["langchain-postgres: PGVectorStore on the view"], OTHER, served, tmp_path).splitlines()
    assert "gate.md" in printed[0]
    assert len(printed) == 5
    assert "Salaries" not in "".join(printed)
