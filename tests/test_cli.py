"""The command line: what it prints, and the exit codes that it promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.cli.main import run
from resources.postgres import Database
from tests.conftest import point_suimon_at, write
from tests.fakes.embedding_server import EmbeddingServer


@pytest.fixture
def declare(
    tmp_path: Path, corpus: Path, database: Database, endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Writes a collections.yaml for this test's database and endpoint; returns its path."""
    path = point_suimon_at(database, tmp_path, monkeypatch)

    def write_declaration(**changes: Any) -> Path:
        content: dict[str, Any] = {
            "collections": {"notes": {"source": str(corpus), **changes.pop("collection", {})}},
            "spaces": {"small": {"base_url": endpoint.url, "model": "fake", **changes.pop("space", {})}},
            **changes,
        }
        path.write_text(yaml.safe_dump(content))
        return path

    write_declaration()
    return write_declaration


@pytest.mark.great_expectations
@pytest.mark.usefixtures("declare")
def test_the_way_of_a_newcomer(capsys: pytest.CaptureFixture[str], corpus: Path) -> None:
    assert run(["check"]) == 0
    assert "collections.yaml is valid: 1 collections (notes), space small" in capsys.readouterr().out
    assert run(["plan"]) == 0
    assert "3 new" in capsys.readouterr().out
    assert run(["refresh"]) == 0
    assert "notes: published" in capsys.readouterr().out
    assert run(["refresh"]) == 0
    assert "notes: nothing changed" in capsys.readouterr().out
    assert run(["search", "grease", "hinges", "-k", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["uri"] for row in found] == ["gate.md"]
    assert run(["search", "点検", "--collection", "notes"]) == 0
    assert "水門.md" in capsys.readouterr().out
    assert run(["embed", "grease"]) == 0
    assert capsys.readouterr().out.strip().endswith("]'::vector(32)")
    assert run(["status", "--check"]) == 0
    assert "All is well." in capsys.readouterr().out
    write(corpus, "tides.txt", "High tide is at seven.\n")
    assert run(["plan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["documents"] == {"changed": 1, "unchanged": 2}
    assert run(["doctor"]) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_status_says_what_needs_a_person(declare: Any, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert declare
    write(corpus, "blank.md", " ")
    assert run(["refresh"]) == 0
    capsys.readouterr()
    assert run(["status", "--check"]) == 5
    assert "notes: 1 documents are in quarantine." in capsys.readouterr().out
    assert run(["status"]) == 0
    assert "no_text" in capsys.readouterr().out


def test_a_blocked_publish_names_the_audit_and_the_way_out(
    declare: Any, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert declare
    assert run(["refresh"]) == 0
    for path in corpus.iterdir():
        path.unlink()
    capsys.readouterr()
    assert run(["refresh"]) == 3
    assert "confirm with --accept-deletions" in capsys.readouterr().out
    assert run(["refresh", "--accept-deletions"]) == 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"colections": {}}, "colections is not a known key; did you mean collections?"),
        (
            {"collection": {"chunking": {"max_tokens": "many"}}},
            "collections.notes.chunking.max_tokens: input should be",
        ),
        ({"collection": {"schedule": "at three"}}, "is no cron expression"),
        ({"collection": {"timezone": "Mars"}}, "is no time zone"),
        ({"space": {"token_limit": 64}}, "reads 64; set it to at most 56"),
        ({"space": {"base_url": "localhost:8080"}}, "base_url: is no address; write it as https://host/v1"),
        ({"answers": {"questions": "nowhere.jsonl"}}, "nowhere.jsonl cannot be read"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(
    declare: Any, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], sentence: str
) -> None:
    declare(**changes)
    assert run(["check"]) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err


def test_a_missing_folder_is_the_users_to_mend(declare: Any, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert declare
    corpus.rename(corpus.with_name("moved"))
    assert run(["check"]) == 2
    assert run(["refresh"]) == 2
    assert "does not exist; create it" in capsys.readouterr().out


def test_an_endpoint_that_cannot_be_reached_is_the_users_to_mend(
    declare: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.vectors.probe.FIRST_CONTACT_SECONDS", 0.5)
    declare(space={"base_url": "http://127.0.0.1:9/v1"})
    assert run(["refresh"]) == 2
    told = capsys.readouterr().out
    assert "http://127.0.0.1:9/v1 does not answer" in told
    assert "check `base_url`" in told


def test_a_database_that_cannot_be_reached_is_the_users_to_mend(
    declare: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert declare
    monkeypatch.setenv("SUIMON_DATABASE_URL", "postgresql://nobody:sesame@127.0.0.1:9/none")
    assert run(["status"]) == 2
    told = capsys.readouterr().err
    assert "Postgres could not be reached" in told
    assert "sesame" not in told


def test_without_a_command_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    told = capsys.readouterr()
    assert told.out.startswith("Usage: suimon")
    assert told.err == ""


@pytest.mark.parametrize("command", ["search", "embed"])
def test_an_empty_question_is_refused(declare: Any, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert declare
    assert run([command, " "]) == 2
    assert "ask with some words" in capsys.readouterr().err


def test_an_unknown_collection_is_named_with_the_nearest(declare: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert declare
    assert run(["refresh", "nots"]) == 2
    assert "did you mean notes?" in capsys.readouterr().err


def test_a_fault_of_ours_is_one_line_with_its_traceback_in_the_log(
    declare: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert declare

    def broken(*_: object, **__: object) -> None:
        raise KeyError("impossible")

    monkeypatch.setattr("pipelines.cli.status.read", broken)
    assert run(["status"]) == 1
    assert "a fault of ours (KeyError)" in capsys.readouterr().err
    assert "KeyError: 'impossible'" in (tmp_path / "state" / "logs" / "suimon.log").read_text()


def test_what_merely_happens_to_be_in_the_environment_is_used_for_nothing(
    declare: Any, endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert declare
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/none")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-yours")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-not-yours")
    assert run(["refresh"]) == 0
    sent = [f"{name}: {value}" for headers in endpoint.headers for name, value in headers.items()]
    assert sent
    assert not any("not-yours" in line for line in sent)
