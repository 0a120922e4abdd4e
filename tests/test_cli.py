"""The command line: what it prints, and the exit codes that it promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.cli.main import run
from resources.postgres import Database
from tests.conftest import point_suimon_at, write
from tests.fakes.describing import data_of, describe
from tests.fakes.embedding_server import EmbeddingServer
from tests.fakes.llm_server import LlmServer, serve_llm


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
    assert "collections.yaml is valid: 1 collection (notes), space small" in capsys.readouterr().out
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
        ({"answers": {"questions": "nowhere.jsonl"}}, "answers.questions: There is no "),
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


def test_profiles_without_an_llm_are_valid_and_said(declare: Any, capsys: pytest.CaptureFixture[str]) -> None:
    declare(collection={"profiles": {}})
    assert run(["check"]) == 0
    assert "No llm is declared, so that no profiles are made for notes" in capsys.readouterr().out


def test_a_mistyped_command_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["refersh"]) == 2
    assert capsys.readouterr().err == "suimon: There is no command 'refersh'; did you mean refresh?\n"


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


def test_what_is_published_is_searched_though_it_is_no_longer_declared(
    declare: Any, capsys: pytest.CaptureFixture[str], corpus: Path
) -> None:
    declare(collections={"former": {"source": str(corpus)}})
    assert run(["refresh"]) == 0
    declare()
    capsys.readouterr()
    assert run(["search", "grease", "hinges", "-k", "1", "--collection", "former"]) == 0
    assert "former: gate.md" in capsys.readouterr().out
    assert run(["search", "grease", "--collection", "nots"]) == 2
    assert "declares no collection 'nots'; did you mean notes?" in capsys.readouterr().err


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


@pytest.fixture
def llm(monkeypatch: pytest.MonkeyPatch) -> Iterator[LlmServer]:
    """A fake LLM that describes well."""
    monkeypatch.setattr("resources.attempts.FIRST_PAUSE_SECONDS", 0.002)
    with serve_llm(LlmServer(says=describe)) as server:
        yield server


def told_of(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was printed since the last time, to either stream."""
    told = capsys.readouterr()
    return told.out + told.err


def test_profiles_follow_a_refresh_and_are_brought_up_to_date_by_a_command(
    declare: Any, llm: LlmServer, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(collection={"profiles": {}}, llm={"base_url": llm.url, "model": "fake"})
    assert run(["refresh"]) == 0
    told = told_of(capsys)
    assert told.index("notes: published") < told.index("notes: profiles: 3 described")
    assert run(["profile"]) == 0
    assert "notes: profiles: nothing to do" in told_of(capsys)
    llm.says = lambda body: "I would rather not." if "noon" in data_of(body) else describe(body)
    write(corpus, "tides.txt", "Low tide is at noon.\n")
    assert run(["refresh", "--json"]) == 0
    (told_json,) = json.loads(capsys.readouterr().out)
    assert told_json["changed"] is True
    assert told_json["profiles"]["counts"]["could_not_be_described"] == 1
    assert told_json["profiles"]["findings"] == {"few_documents_could_not_be_described": 1}
    llm.says = describe
    assert run(["profile", "notes"]) == 0
    told = told_of(capsys)
    assert "notes: profiles: nothing was asked" in told
    assert "1 document could not be described; `suimon profile notes --retry` asks again." in told
    assert "findings in few_documents_could_not_be_described" in told
    assert run(["profile", "notes", "--retry", "--json"]) == 0
    (again,) = json.loads(capsys.readouterr().out)
    assert (again["collection"], again["failure"], again["exit_code"]) == ("notes", None, 0)
    assert again["counts"]["described"] == 1


def test_profiles_that_a_model_does_not_make_are_a_line_and_exit_code_4_and_none_of_the_refreshs(
    declare: Any, llm: LlmServer, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"base_url": llm.url, "model": "fake", "deadline_seconds": 0.3}
    declare(collection={"profiles": {}}, llm=settings)
    llm.trouble = lambda body: (503, {}, {"error": {"message": "down"}})
    assert run(["refresh"]) == 0
    told = told_of(capsys)
    assert "notes: published" in told
    (line,) = [line for line in told.splitlines() if "profiles:" in line]
    assert "did not answer within 0.3 s" in line
    assert run(["profile"]) == 4
    (line,) = told_of(capsys).splitlines()
    assert line.startswith("notes: profiles: The LLM endpoint")
    assert run(["profile", "--json"]) == 4
    assert "did not answer within" in json.loads(capsys.readouterr().out)[0]["failure"]


def test_profiles_that_a_budget_keeps_waiting_are_said_to_wait(
    declare: Any, llm: LlmServer, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"base_url": llm.url, "model": "fake", "max_output_tokens": 500, "concurrency": 1}
    declare(collection={"profiles": {"budget": {"tokens_per_run": 1500}}}, llm=settings)
    assert run(["refresh"]) == 0
    told = told_of(capsys)
    assert "for a profile: `profiles.budget` of notes is spent; a later run goes on." in told
    assert "findings in every_document_has_a_profile" in told


@pytest.mark.parametrize(
    ("arguments", "profiles", "with_llm", "sentence"),
    [
        ([], False, True, "No collection asks for profiles; add `profiles: {}` to one in collections.yaml."),
        (["notes"], False, True, "notes does not ask for profiles; add `profiles: {}` to it in collections.yaml."),
        (["nots"], True, True, "collections.yaml declares no collection 'nots'"),
        ([], True, False, "add `llm` with its base_url and model"),
    ],
)
def test_profiles_that_cannot_be_made_are_refused_in_one_sentence_before_anything_is_started(
    declare: Any,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    profiles: bool,
    with_llm: bool,
    sentence: str,
) -> None:
    llm = {"llm": {"base_url": "http://127.0.0.1:9/v1", "model": "fake"}} if with_llm else {}
    declare(collection={"profiles": {}} if profiles else {}, **llm)
    assert run(["profile", *arguments]) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert (told.err.count("\n"), told.out) == (1, "")
    assert not (tmp_path / "state" / "dagster").exists()
