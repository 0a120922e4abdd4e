"""`suimon readers`, and what doctor says of roles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.cli.main import run
from resources.postgres import Database
from tests.conftest import rows
from tests.test_cli import declare

__all__ = ["declare"]

RULES = {
    "readers": ["sec_nowhere", "suimon_reader"],
    "document_readers": [{"path": "gate*", "readers": ["sec_elsewhere"]}, {"metadata": {"name": "水門.md"}, "readers": []}],
}


def test_who_may_read_is_shown_applied_and_warned_of(
    declare: Any, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    declare()
    assert run(["refresh"]) == 0
    capsys.readouterr()
    assert run(["readers"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split("\t") == ["notes", "3", "all others", "every reader", ""]
    declare(collection=RULES)
    assert run(["readers", "notes"]) == 0
    assert "collections.yaml declares other rules" in capsys.readouterr().out
    assert run(["readers", "--apply"]) == 0
    out = capsys.readouterr().out
    assert "notes: the declared rules hold from now on; 2 documents have other readers." in out
    assert [line.split("\t") for line in out.splitlines() if line.startswith("notes\t")] == [
        ["notes", "1", "gate*", "sec_elsewhere", "sec_elsewhere"],
        ["notes", "1", '{"name": "水門.md"}', "nobody", ""],
        ["notes", "1", "all others", "sec_nowhere, suimon_reader", "sec_nowhere"],
    ]
    assert rows(database, "SELECT uri FROM search.documents") == [("tides.txt",)]
    assert run(["readers", "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["declared"], shown["in_force"], len(shown["rules"])) == (True, True, 3)
    assert shown["rules"][0] == {
        "path": "gate*", "metadata": None, "readers": ["sec_elsewhere"], "missing": ["sec_elsewhere"], "documents": 1,
    }  # fmt: skip
    assert run(["doctor"]) == 0
    assert "no such role: sec_elsewhere, sec_nowhere" in capsys.readouterr().out
    assert run(["readers", "nots"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_doctor_says_who_may_create_beside_pgvector(
    declare: Any, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert declare
    with database.connect(role=None) as session:
        session.connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert run(["doctor"]) == 2
    assert "PUBLIC may create in the schema that holds pgvector" in capsys.readouterr().out
