"""What is measured after a publish, in Dagster and on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from assets import partitions
from assets.quality.asset import audited
from assets.workbench import Workbench
from pipelines.cli.main import run as suimon
from pipelines.config import Config, load
from pipelines.definitions import build_defs
from resources.postgres import Database
from tests import golden
from tests.conftest import point_suimon_at, refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer

LEGS = ("semantic", "lexical", "hybrid")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Nine documents that golden questions are about."""
    return golden.plant(tmp_path / "corpus")


@pytest.fixture
def bench(make_bench: Callable[..., Workbench], tmp_path: Path) -> Workbench:
    """A workbench whose collection declares golden questions."""
    golden.ask(tmp_path / "golden.jsonl")
    return make_bench(golden={"file": "golden.jsonl", "k": 5})


@pytest.fixture
def config(tmp_path: Path, corpus: Path) -> Config:
    """A declaration of one collection."""
    path = tmp_path / "collections.yaml"
    path.write_text(yaml.safe_dump({"collections": {"notes": {"source": str(corpus)}}}))
    return load(path, {})


@pytest.fixture
def run(bench: Workbench, config: Config) -> Callable[..., dg.ExecuteInProcessResult]:
    """Runs the job `refresh` of the collection on an instance of the test's own."""
    definitions = build_defs(config=config, resource_overrides={"workbench": bench})
    instance = dg.DagsterInstance.ephemeral()
    partitions.register(instance, ["notes"])

    def launch(**tags: str) -> dg.ExecuteInProcessResult:
        job = definitions.resolve_job_def("refresh")
        return job.execute_in_process(
            instance=instance,
            partition_key="notes",
            raise_on_error=False,
            tags={name.replace("__", "/").replace("_", "-"): value for name, value in tags.items()},
        )

    return launch


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Return the metadata of each asset."""
    return {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }


def test_figures_are_numbers_that_dagster_plots(
    run: Callable[..., dg.ExecuteInProcessResult], database: Database, tmp_path: Path
) -> None:
    with (tmp_path / "golden.jsonl").open("a") as file:
        hopeless = [{"uri": "siren.md", "text": "no document says this"}]
        file.write(json.dumps({"id": "hopeless", "question": "who sings", "answers": hopeless}) + "\n")
    result = run()
    assert result.success
    quality = shown(result)["search/retrieval_quality"]
    assert {f"{leg} {measure}@5" for leg in LEGS for measure in ("recall", "MRR", "nDCG")} <= set(quality)
    assert isinstance(quality["hybrid nDCG@5"], dg.FloatMetadataValue)
    assert quality["hybrid recall@5"].value == pytest.approx(18 / 19)
    assert quality["questions"].value == 19
    table = str(quality["worst questions"].value)
    assert table.startswith("| question | recall | nDCG |")
    assert "| hopeless | 0.00 | 0.00 |" in table
    assert "looked after by the" not in table, "the text of a passage"
    kept = rows(database, "SELECT leg, publish, run_id, ndcg FROM search.retrieval_quality", role="pipeline")
    assert {row[0] for row in kept} == set(LEGS)
    assert {(row[1], row[2]) for row in kept} == {(1, result.run_id)}
    assert {round(row[3], 6) for row in kept} == {round(float(quality[f"{leg} nDCG@5"].value), 6) for leg in LEGS}


def test_a_run_that_is_taken_back_shows_what_broke_and_a_tag_lets_it_through(
    run: Callable[..., dg.ExecuteInProcessResult], database: Database, corpus: Path
) -> None:
    assert run().success
    for name in list(golden.SUBJECTS)[:3]:
        write(corpus, f"{name}.md", f"# Lorem\n\nLorem ipsum dolor sit amet. {name * 2}\n")
    result = run()
    assert not result.success
    (failure,) = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    assert failure is not None
    assert "over 18 golden questions" in str(failure.description)
    table = str(failure.metadata["broken questions"].value)
    assert all(f"| set-{name} |" in table for name in list(golden.SUBJECTS)[:3])
    assert float(str(failure.metadata["recall before"].value)) > float(str(failure.metadata["recall after"].value))
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    assert "search/retrieval_quality" not in shown(result)
    accepted = run(suimon__accept_quality="true", suimon__because="withdrawn", suimon__by="somebody")
    assert accepted.success
    given = rows(database, "SELECT kind, given_by, because FROM corpus.confirmations", role="pipeline")
    assert given == [("quality", "somebody", "withdrawn")]


def test_the_index_is_measured_once_a_publish(
    run: Callable[..., dg.ExecuteInProcessResult], database: Database
) -> None:
    result = run()
    health = shown(result)["search/index_health"]
    assert health["recall@10 of the index small"].value == 1
    assert health["index small is whole"].value is True
    assert health["index small is due for a rebuild"].value is False
    assert int(str(health["size of the index small (bytes)"].value)) > 0
    names = {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}
    assert names["the_index_finds_what_exact_search_finds"].passed
    second = shown(run())
    assert second["search/index_health"]["not measured"].value == "The index is as it was after this publish."
    assert second["search/retrieval_quality"]["changed"].value is False
    assert rows(database, "SELECT count(*), min(recall) FROM search.index_health", role="pipeline") == [(1, 1.0)]


def test_checks_of_the_index_notice_what_they_are_for() -> None:
    sound: dict[str, Any] = {"valid": True, "recall": 0.98, "vectors": 20_000, "planned": True, "rebuild_due": False}
    assert all(result.passed for result in audited({"small": sound}))
    faults: dict[str, dict[str, Any]] = {
        "the_index_is_whole": {"valid": False},
        "the_index_finds_what_exact_search_finds": {"recall": 0.5},
        "the_planner_uses_the_index": {"planned": False},
        "no_rebuild_is_due": {"rebuild_due": True},
    }
    for name, fault in faults.items():
        assert [result.audit.name for result in audited({"small": sound | fault}) if not result.passed] == [name]
    assert all(result.passed for result in audited({"small": sound | {"planned": False, "vectors": 100}}))


def test_a_damaged_index_is_noticed(bench: Workbench, database: Database, corpus: Path) -> None:
    refresh(bench)
    with database.connect(role=None) as session:
        session.connection.execute("UPDATE corpus.spaces SET retired = 1000")
        session.connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'corpus.vectors_small_hnsw'::regclass"
        )
    refresh(bench)
    found = rows(database, "SELECT valid, rebuild_due, retired, recall FROM search.index_health", role="pipeline")
    assert found == [(False, True, 1000, None)]


def test_readers_have_no_right_to_figures_over_documents_that_they_may_not_see(
    bench: Workbench, database: Database
) -> None:
    refresh(bench)
    for view in ("retrieval_quality", "index_health"):
        granted = f"SELECT has_table_privilege('suimon_reader', 'search.{view}', 'SELECT')"
        assert rows(database, granted, role=None) == [(False,)]


def test_without_golden_questions_nothing_is_measured_and_nothing_asked(
    make_bench: Callable[..., Workbench], database: Database, endpoint: EmbeddingServer
) -> None:
    bench = make_bench()
    summary = refresh(bench)
    report = summary.reports["retrieval_quality"]
    assert (report.changed, report.counts, report.figures) == (False, {}, {})
    assert not [text for text in endpoint.texts if text.startswith("who looks")]
    assert rows(database, "SELECT count(*) FROM search.retrieval_quality", role="pipeline") == [(0,)]


@pytest.fixture
def declare(
    tmp_path: Path, corpus: Path, database: Database, endpoint: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Writes a collections.yaml with golden questions for this test's database and endpoint."""
    path = point_suimon_at(database, tmp_path, monkeypatch)
    golden.ask(tmp_path / "golden.jsonl")
    content = {
        "collections": {"notes": {"source": str(corpus), "golden": {"file": "golden.jsonl"}}},
        "spaces": {"small": {"base_url": endpoint.url, "model": "fake"}},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_command_line_shows_figures_and_lets_a_person_overrule_the_gate(
    declare: Path, capsys: pytest.CaptureFixture[str], corpus: Path, tmp_path: Path
) -> None:
    assert suimon(["plan"]) == 0
    assert "18 golden questions to embed" in capsys.readouterr().out
    assert suimon(["refresh"]) == 0
    printed = capsys.readouterr().out
    assert "18 questions asked" in printed
    assert "hybrid recall@10 1.000" in printed
    assert suimon(["evaluate", "notes", "-k", "3", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["k"], found["questions"], set(found["legs"])) == (3, 18, set(LEGS))
    assert suimon(["evaluate", "--space", "small"]) == 0
    assert "notes\tsmall\t1\thybrid" in capsys.readouterr().out
    assert suimon(["status"]) == 0
    assert "golden questions\ncollection\tpublish\tspace\tleg" in capsys.readouterr().out
    for name in list(golden.SUBJECTS)[:4]:
        write(corpus, f"{name}.md", f"# Lorem\n\nLorem ipsum dolor sit amet. {name * 2}\n")
    assert suimon(["refresh"]) == 3
    assert "golden questions, more than golden.tolerance 0.05 allows" in capsys.readouterr().out
    assert suimon(["status", "--check"]) == 5
    assert "notes was not published: recall@10 would fall" in capsys.readouterr().out
    assert suimon(["refresh", "--accept-quality"]) == 2
    assert "wants a reason" in capsys.readouterr().err
    assert suimon(["refresh", "--accept-quality", "--because", "withdrawn"]) == 0
    assert "notes: published" in capsys.readouterr().out
    assert suimon(["status", "--check"]) == 0
    capsys.readouterr()


def test_a_wrong_file_is_one_sentence_with_the_line_from_check_and_from_refresh(
    declare: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, endpoint: EmbeddingServer
) -> None:
    with (tmp_path / "golden.jsonl").open("a") as file:
        file.write('{"question": "x"}\n')
    for command in (["check"], ["refresh"], ["evaluate"]):
        assert suimon(command) == 2
        printed = capsys.readouterr()
        assert "golden.jsonl, line 19: answers is missing; add it." in printed.out + printed.err
    assert endpoint.requests == []
    (tmp_path / "golden.jsonl").unlink()
    assert suimon(["check"]) == 2
    assert "golden.file is golden.jsonl, which is not there" in capsys.readouterr().err
