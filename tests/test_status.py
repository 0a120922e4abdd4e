"""What people are told: `suimon status`, `suimon retry`, the ledger of cost, and the metadata of an asset."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from rich.console import Console

from assets.metadata import of_report
from assets.profiles.stage import make_profiles
from assets.refresh import StageReport
from assets.workbench import Workbench
from pipelines.cli import output, status
from pipelines.cli.main import run
from pipelines.cli.status import unmended
from resources.errors import EndpointUnavailable
from resources.postgres import Database
from tests.conftest import point_suimon_at, refresh, rows, write
from tests.fakes.describing import data_of, describe, with_llm
from tests.fakes.embedding_server import EmbeddingServer
from tests.fakes.llm_server import LlmServer, serve_llm

Read = Callable[..., dict[str, Any]]


@pytest.fixture
def declared(
    tmp_path: Path, corpus: Path, database: Database, endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A declaration for the command line; the benches of `make_bench` have the same collection and space."""
    path = point_suimon_at(database, tmp_path, monkeypatch)
    space = {"base_url": endpoint.url, "model": "fake", "token_limit": 128, "max_inputs": 16}
    notes = {"source": str(corpus), "chunking": {"max_tokens": 64, "min_tokens": 4}, "timezone": "Asia/Tokyo"}
    path.write_text(yaml.safe_dump({"collections": {"notes": notes}, "spaces": {"small": space}}))
    return path


@pytest.fixture
def read(declared: Path, capsys: pytest.CaptureFixture[str]) -> Read:
    """Reads `suimon status --json`; makes sure that its counts add up."""
    assert declared

    def one(collection: str = "notes") -> dict[str, Any]:
        capsys.readouterr()
        assert run(["status", "--json"]) == 0
        state: dict[str, Any] = json.loads(capsys.readouterr().out)
        for row in state["collections"]:
            assert row["documents"] == row["up_to_date"] + row["waiting"] + row["quarantined"]
            parts = ("unparsed", "uncut", "unembedded", "unpublished")
            assert row["waiting"] == sum(row[part] for part in parts)
        return {"row": next(row for row in state["collections"] if row["collection"] == collection), **state}

    return one


def check(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines of `suimon status --check`, whose exit code must fit them."""
    capsys.readouterr()
    code = run(["status", "--check"])
    lines = capsys.readouterr().out.splitlines()
    assert code == (0 if lines == ["All is well."] else 5)
    return lines


def change(database: Database, statement: str) -> None:
    """Alter the database behind the product's back."""
    with database.connect(role=None) as session:
        session.connection.execute(session.compose("SET search_path = {corpus}, public"))
        session.connection.execute(statement.encode())


def test_documents_are_up_to_date_or_waiting_or_quarantined(
    bench: Workbench, corpus: Path, database: Database, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    write(corpus, "blank.txt", " ")
    write(corpus, "more.txt", "Another sentence.\n")
    refresh(bench)
    assert {key: read()["row"][key] for key in ("documents", "up_to_date", "quarantined", "published")} == {
        "documents": 5, "up_to_date": 4, "quarantined": 1, "published": 4,
    }  # fmt: skip
    change(database, "DELETE FROM heads WHERE uri = 'tides.txt'")  # Prepared and not shown.
    change(database, "DELETE FROM heads WHERE uri = 'gate.md'")  # The same, without a vector.
    change(
        database,
        "DELETE FROM vectors_small WHERE text_id IN (SELECT k.text_id FROM chunks AS k JOIN targets USING "
        "(chunk_set_id) WHERE uri = 'gate.md')",
    )
    change(
        database,
        "DELETE FROM heads WHERE uri = 'more.txt'; DELETE FROM publish_changes USING targets AS t WHERE "
        "publish_changes.document_id = t.document_id AND t.uri = 'more.txt'; DELETE FROM chunk_sets USING targets AS t "
        "WHERE chunk_sets.chunk_set_id = t.chunk_set_id AND t.uri = 'more.txt'",
    )
    change(database, "UPDATE documents SET content_hash = sha256('new') WHERE uri = '水門.md'")
    row = read()["row"]
    assert {key: row[key] for key in ("up_to_date", "unpublished", "unembedded", "uncut", "unparsed")} == {
        "up_to_date": 0, "unpublished": 1, "unembedded": 1, "uncut": 1, "unparsed": 1,
    }  # fmt: skip
    lines = check(capsys)
    assert [line for line in lines if "wait for the vectors" in line]
    assert run(["status"]) == 0
    told = capsys.readouterr().out
    assert "1 to be parsed, 1 to be cut, 1 for vectors, 1 to be published" in told


def test_a_budget_that_is_spent_is_told_with_what_waits(
    make_bench: Callable[..., Workbench], read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"max_tokens": 16, "min_tokens": 4}
    bench = make_bench(budget={"tokens_per_run": 20, "publish_finished": True}, chunking=small)
    refresh(bench)
    row = read()["row"]
    assert row["unembedded"] == row["postponed"] > 0
    assert row["up_to_date"] + row["unembedded"] == 3
    assert any("documents wait for the vectors of" in line for line in check(capsys))
    assert run(["status"]) == 0
    assert f"a budget left out {row['postponed']} of them" in capsys.readouterr().out


def test_a_pinned_collection_says_who_pinned_it_and_how_to_go_on(
    bench: Workbench, database: Database, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    refresh(bench)
    change(database, "UPDATE collections SET pinned_to = 1, pinned_by = 'somebody [at night]'")
    assert read()["row"]["pinned_to"] == 1
    told = "notes is rolled back to publish 1 by somebody [at night]: refreshes prepare but do not publish; "
    assert check(capsys) == [told + "`suimon unpin notes` lets them."]


def test_what_was_asked_for_all_collections_is_told_too(
    make_bench: Callable[..., Workbench], database: Database, read: Read
) -> None:
    refresh(make_bench())
    change(
        database,
        "INSERT INTO costs (collection, run_id, stage, model, endpoint, hour, requests, inputs, tokens) "
        "VALUES ('', 'ask', 'answers', 'm', 'e', date_trunc('hour', clock_timestamp()), 2, 1, 9)",
    )
    [told] = [row for row in read()["costs"] if row["stage"] == "answers"]
    assert (told["collection"], told["day_requests"], told["day_inputs"], told["day_tokens"]) == ("", 2, 1, 9)


def test_the_ledger_of_cost_is_told_by_refresh_and_by_day(
    make_bench: Callable[..., Workbench], corpus: Path, database: Database, endpoint: EmbeddingServer, read: Read
) -> None:
    price = {"price_per_million_tokens": 2.0, "currency": "EUR"}
    refresh(make_bench(space=price))
    first = rows(database, "SELECT sum(tokens), sum(requests) FROM search.costs", role="pipeline")[0]
    write(corpus, "tides.txt", "High tide is at seven.\n")
    endpoint.forget()
    refresh(make_bench(space=price))
    found = rows(
        database,
        "SELECT collection, stage, model, requests, inputs, tokens, cost::float8, currency, first_hour <= last_hour "
        "FROM search.costs ORDER BY length(run_id), run_id",
        role="pipeline",
    )
    assert len(found) == 2
    collection, stage, model, requests, inputs, tokens, cost, currency, ordered = found[1]
    assert (collection, stage, model, requests, inputs, currency, ordered) == (
        "notes", "vectors", "fake", len(endpoint.requests), 1, "EUR", True,
    )  # fmt: skip
    assert cost == pytest.approx(tokens * 2 / 1_000_000)
    told = read()["costs"]
    assert [(row["last_inputs"], row["last_tokens"], row["last_requests"]) for row in told] == [(1, tokens, requests)]
    assert told[0]["day_tokens"] == first[0] + tokens
    assert told[0]["day_requests"] == first[1] + requests
    assert told[0]["day_cost"] == pytest.approx(told[0]["day_tokens"] * 2 / 1_000_000)
    change(database, "UPDATE costs SET hour = date_trunc('day', clock_timestamp(), 'Asia/Tokyo') - interval '1 hour'")
    assert read()["costs"][0]["day_tokens"] == 0
    refresh(make_bench(space=price))
    assert read()["costs"] == []


def test_the_quarantine_is_cut_at_fifty_lines_for_people_and_whole_for_machines(
    bench: Workbench, corpus: Path, database: Database, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    write(corpus, "blank.txt", " ")
    refresh(bench)
    change(
        database,
        "INSERT INTO documents (collection_id, uri, stamp, settled, size, content_hash, format) SELECT collection_id, "
        "'many/' || n, stamp, true, size, content_hash, format FROM documents CROSS JOIN generate_series(1, 60) AS n "
        "WHERE uri = 'blank.txt'; "
        "INSERT INTO quarantine (document_id, stage, reason, detail, content_hash, recipe_id) SELECT d.document_id, "
        "q.stage, q.reason, q.detail, q.content_hash, q.recipe_id FROM documents AS d CROSS JOIN quarantine AS q "
        "WHERE d.uri LIKE 'many/%'",
    )
    state = read()
    assert len(state["quarantine"]) == 61
    assert state["row"]["quarantined"] == 61
    assert state["held_back"] == [
        {"collection": "notes", "kind": "document", "reason": "no_text", "rows": 61, "published": 0}
    ]
    assert run(["status"]) == 0
    told = capsys.readouterr().out
    assert told.count("many/") + told.count("blank.txt") == 50
    assert "and 11 more; the view search.quarantine has all" in told
    assert told.count("no_text: It has no text; supply some, or leave it out.") == 1


def test_a_refused_chunk_is_a_problem_until_it_is_retried(
    bench: Workbench, endpoint: EmbeddingServer, database: Database, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.refuses = lambda text: "noon" in text
    refresh(bench)
    assert check(capsys) == ["notes: 1 published chunks cannot be searched, the endpoint refused their text."]
    assert run(["retry", "--mark-only", "--stage", "vectors"]) == 0
    assert "notes: 1 in quarantine marked; the next refresh tries them again." in capsys.readouterr().out
    assert read()["row"]["wanted_texts"] == 1
    assert check(capsys) == ["notes: 1 texts of published documents wait for a vector; run `suimon refresh notes`."]
    endpoint.refuses = lambda text: False
    refresh(bench)
    assert check(capsys) == ["All is well."]
    assert rows(database, "SELECT count(*) FROM search.chunks WHERE uri = 'tides.txt'") == [(1,)]


def test_retry_marks_refreshes_and_says_what_came_of_it(
    declared: Path, corpus: Path, endpoint: EmbeddingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert declared
    write(corpus, "blank.txt", " ")
    endpoint.refuses = lambda text: "noon" in text
    assert run(["refresh"]) == 0
    endpoint.refuses = lambda text: False
    capsys.readouterr()
    assert run(["retry", "notes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["marked"] == {"notes": 2}
    assert told["runs"][0]["stages"]["vectors"]["counts"]["embedded"] == 1
    assert run(["status", "--json"]) == 0
    assert [row["attempts"] for row in json.loads(capsys.readouterr().out)["quarantine"]] == [2]
    assert run(["retry", "--uri", "no-such.txt"]) == 0
    assert capsys.readouterr().out == "Nothing of that is in quarantine; there is nothing to try again.\n"
    assert run(["retry", "--reason", "no_txt"]) == 2
    assert "did you mean no_text?" in capsys.readouterr().err
    assert run(["retry", "nots"]) == 2


def test_verifications_and_sweeps_are_told(
    bench: Workbench, database: Database, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    refresh(bench)
    record = "INSERT INTO verifications (collection, run_id, repaired, findings, started_at) VALUES "
    change(
        database,
        record + '(NULL, \'one\', false, \'[{"collection": "notes", "count": 3, "repaired": 1}]\', now()); '
        "INSERT INTO sweeps (run_id, removed, bytes_before, bytes_after, started_at) VALUES "
        "('two', '{\"texts\": 7, \"chunk_sets\": 0}', 9000000, 4000000, now())",
    )
    assert read()["verifications"][0]["unmended"] == 2
    assert check(capsys) == [
        "notes: the last verification found 2 rows that are wrong; run `suimon verify notes --repair`."
    ]
    assert run(["status"]) == 0
    told = capsys.readouterr().out
    assert "7 texts removed, 5.0 MB freed" in told
    assert "notes: last verified" in told
    change(database, record + "('notes', 'three', true, '[]', now())")
    assert check(capsys) == ["All is well."]


def test_profiles_that_could_not_be_made_are_told_with_why_and_what_to_do(
    make_bench: Callable[..., Workbench], declared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = yaml.safe_load(declared.read_text())
    content["collections"]["notes"]["profiles"] = {}
    with serve_llm(LlmServer(says=describe)) as llm:
        declared.write_text(yaml.safe_dump(content | {"llm": {"base_url": llm.url, "model": "fake"}}))
        bench = with_llm(make_bench(profiles={}), llm, deadline_seconds=0.3)
        refresh(bench)
        assert check(capsys) == ["All is well."]
        llm.trouble = lambda body: (503, {}, {"error": {"message": "down"}})
        with pytest.raises(EndpointUnavailable) as away:
            make_profiles(bench, "notes", "one")
        assert check(capsys) == [f"notes: 3 documents wait for a profile, and the last attempt failed: {away.value}"]
        assert run(["status"]) == 0
        assert str(away.value) in capsys.readouterr().out
        llm.trouble = lambda body: (400, {}, {"error": {"message": "no"}}) if "tide" in data_of(body) else None
        report, _ = make_profiles(bench, "notes", "two")
        sentence = "1 document could not be described; `suimon profile notes --retry` asks again."
        assert check(capsys) == [f"notes: {sentence}"]
        assert report.notes == [sentence]
        assert make_profiles(bench, "notes", "three")[0].notes == [sentence], "also where nothing is left to do"
        llm.trouble = None
        bench.retry = True
        assert make_profiles(bench, "notes", "four")[0].notes == []
    assert check(capsys) == ["All is well."]


def test_findings_count_for_the_collection_that_they_are_about() -> None:
    findings = [
        {"collection": "notes", "count": 3, "repaired": 3},
        {"collection": "other", "count": 5, "repaired": 0},
        {"collection": None, "count": 2, "repaired": 1},
    ]
    assert (unmended(findings, "notes"), unmended(findings, "other"), unmended([], "notes")) == (1, 6, 0)


def test_status_fits_a_terminal_of_a_hundred_columns(
    bench: Workbench,
    corpus: Path,
    declared: Path,
    endpoint: EmbeddingServer,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert declared
    write(corpus, "blank.txt", " ")
    endpoint.refuses = lambda text: "noon" in text
    refresh(bench)
    change(database, "UPDATE collections SET pinned_to = 1, pinned_by = 'somebody [at night]'")
    shown = io.StringIO()
    drawn = Console(file=shown, width=100, force_terminal=True, color_system=None, highlight=False, soft_wrap=True)
    monkeypatch.setattr(output, "console", drawn)
    monkeypatch.setattr(status, "console", drawn)
    assert run(["status"]) == 0
    told = shown.getvalue()
    assert "somebody [at night]" in told
    tables = [line for line in told.splitlines() if "  " in line.strip()]
    assert tables
    assert max(len(line) for line in tables) <= 100
    assert "…" not in told.split("quarantine")[0]


def test_a_stage_tells_dagster_its_numbers_as_numbers() -> None:
    report = StageReport("vectors", changed=True, counts={"embedded": 4, "tokens": 90, "requests": 2, "refused": 1})
    report.cost, report.currency = 0.00018, "EUR"
    told = of_report(report)
    assert told["cost"] == dg.MetadataValue.float(0.00018)
    assert told["currency"] == dg.MetadataValue.text("EUR")
    assert {name: told[name].value for name in ("embedded", "tokens", "requests", "refused")} == report.counts
    assert "suimon retry" in str(told["refused chunks"].value)
    assert "cost" not in of_report(StageReport("vectors"))


def test_a_stage_tells_dagster_what_it_held_back_and_where_to_look() -> None:
    told = of_report(StageReport("elements", quarantined={"no_text": 2, "damaged": 1}))
    assert told["quarantined"].value == 3
    table = str(told["quarantined by reason"].value)
    assert "| `damaged` | 1 | it is broken, cut short" in table
    assert "`suimon status`" in table
