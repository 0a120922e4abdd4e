"""The shape of the tree: imports go one way, pure logic is pure, SQL is in files that say what they are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.cli.setup import schema

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("sql", "resources", "assets", "pipelines")
PURE = (
    *(f"assets/documents/{name}.py" for name in ("scan", "detection", "values", "patterns", "manifests", "metadata")),
    *(f"assets/elements/{name}.py" for name in ("document", "parsing", "cleaning", "language", "furniture", "reasons")),
    *(
        f"assets/chunks/{name}.py"
        for name in ("chunking", "units", "packing", "splitting", "sentences", "tables", "leads")
    ),
    "assets/vectors/batching.py",
    "assets/vectors/spending.py",
    "assets/upkeep/verify_findings.py",
    "assets/publication/gate.py",
    *(f"assets/quality/{name}.py" for name in ("golden", "measures", "verdict", "audits")),
)
STAGES = ("documents", "elements", "chunks", "vectors", "publication", "quality")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_go_one_way(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / layer).rglob("*.py")
        for name in _imports(path)
        if name.split(".")[0] in above
    ]
    assert wrong == []


@pytest.mark.parametrize("name", PURE)
def test_pure_logic_knows_neither_dagster_nor_the_database(name: str) -> None:
    forbidden = {"dagster", "psycopg", "resources.postgres", "great_expectations"}
    assert not {found for found in _imports(ROOT / name) if found in forbidden or found.split(".")[0] in forbidden}


@pytest.mark.parametrize("stage", STAGES)
def test_everything_about_a_stage_is_in_its_room(stage: str) -> None:
    room = ROOT / "assets" / stage
    assert {"asset.py", "stage.py", "audits.py"} <= {path.name for path in room.glob("*.py")}


def test_every_query_says_purpose_and_parameters_and_is_one_statement() -> None:
    for path in (ROOT / "sql" / "queries").rglob("*.sql"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith("-- Purpose: "), path
        assert "-- Parameters: " in text, path
        assert ";" not in re.sub(r"--.*", "", text), path


def test_every_query_is_used() -> None:
    code = "\n".join(path.read_text() for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
    names = {
        path.relative_to(ROOT / "sql" / "queries").with_suffix("") for path in (ROOT / "sql/queries").rglob("*.sql")
    }
    unused = [str(name) for name in names if f'"{name}"' not in code and f'"{name.name}"' not in code]
    assert unused == []


def test_one_module_asks_the_search_functions() -> None:
    asking = [
        str(path.relative_to(ROOT))
        for layer in LAYERS
        for path in (ROOT / layer).rglob("*.py")
        if re.search(r'"(search|serving)/(explain|hybrid|lexical|semantic|read_space|begin_as|\{)', path.read_text())
    ]
    assert asking == ["pipelines/frameworks/client.py"]


def test_no_statement_is_made_of_strings_in_the_stages() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "assets").rglob("*.py")
        if re.search(r'"\s*(INSERT|UPDATE|DELETE) ', path.read_text())
    ]
    assert wrong == []


def test_the_exported_json_schema_is_the_models_own() -> None:
    assert (ROOT / "docs" / "collections.schema.json").read_text(encoding="utf-8").strip() == schema().strip()


def test_the_repository_names_no_package_index() -> None:
    hosts = re.compile("pypi" + r"\.org|pythonhosted" + r"\.org")
    found = [
        str(path.relative_to(ROOT))
        for folder in ("requirements", "docs", "benchmarks", "deploy", "examples", *LAYERS)
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
        and path.suffix in {".txt", ".md", ".py", ".yaml", ".sql", ".toml"}
        and hosts.search(path.read_text())
    ]
    assert found == []
