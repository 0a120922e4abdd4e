"""Profiles as Dagster sees them: the job, its checks, and the sensor that has it launched; real instances and runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from assets import partitions
from assets.engine import Summary
from assets.workbench import Workbench
from pipelines.cli.main import run as main
from pipelines.config import Config, load
from pipelines.definitions import build_defs
from pipelines.workbench import make_workbench
from resources import attempts
from resources.parser_pool import ParserPool
from resources.postgres import Database
from resources.services import free_port
from tests.conftest import refresh, rows, write
from tests.fakes import counted_audits
from tests.fakes.describing import data_of, describe
from tests.fakes.embedding_server import EmbeddingServer
from tests.fakes.llm_server import LlmServer, serve_llm

KEY = dg.AssetKey(["corpus", "profiles"])
SENTENCE = re.compile(r"[A-Z][^\n]*[.:][^\n]*")
Declare = Callable[..., Config]
Publish = Callable[[], Summary]
Run = Callable[..., dg.ExecuteInProcessResult]
Tick = Callable[[], "list[dg.RunRequest] | str"]
Daemon = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def hasty(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds, and audits counted in SQL alone but where Great Expectations itself is wanted."""
    monkeypatch.setattr(attempts, "FIRST_PAUSE_SECONDS", 0.002)
    if "great_expectations" not in request.keywords:
        monkeypatch.setattr("assets.auditing.expectations.measure", counted_audits.measure)


@pytest.fixture
def llm() -> Iterator[LlmServer]:
    """A fake LLM that describes well."""
    with serve_llm(LlmServer(says=describe)) as server:
        yield server


@pytest.fixture
def declare(
    tmp_path: Path,
    corpus: Path,
    database: Database,
    endpoint: EmbeddingServer,
    llm: LlmServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Declare:
    """Writes the declaration that runs and sensor read; by default one collection that asks for profiles."""
    monkeypatch.setenv("SUIMON_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SUIMON_CONFIG", str(tmp_path / "collections.yaml"))
    monkeypatch.setenv("SUIMON_DATABASE_URL", database.dsn)

    def made(*, profiles: dict[str, Any] | None = {}, llm_is: dict[str, Any] | None = {}, **further: Any) -> Config:  # noqa: B006
        notes: dict[str, Any] = {"source": str(corpus)} | ({} if profiles is None else {"profiles": profiles})
        server = {"base_url": llm.url, "model": "fake", "deadline_seconds": 5.0}
        content = {
            "collections": {"notes": notes, **further},
            "spaces": {"small": {"base_url": endpoint.url, "model": "fake", "token_limit": 512}},
        } | ({} if llm_is is None else {"llm": server | llm_is})
        path = tmp_path / "collections.yaml"
        path.write_text(yaml.safe_dump(content))
        return load(path, {})

    made()
    return made


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster of the test's own."""
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def bench_of(declare: Declare, parser_pool: ParserPool) -> Callable[[Config], Workbench]:
    """Makes workbenches of a declaration."""
    declare()

    def made(config: Config) -> Workbench:
        bench = make_workbench(config)
        bench.__dict__["parser_pool"] = parser_pool
        return bench

    return made


@pytest.fixture
def publish(bench_of: Callable[[Config], Workbench]) -> Publish:
    """Publishes the text, without Dagster."""

    def made() -> Summary:
        return refresh(bench_of(load()))

    return made


@pytest.fixture
def run(bench_of: Callable[[Config], Workbench], instance: dg.DagsterInstance) -> Run:
    """Runs a job of the declaration as it stands; without a name, all assets."""

    def launch(job: str, name: str = "notes", tags: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
        config = load()
        definitions = build_defs(config=config, resource_overrides={"workbench": bench_of(config)})
        partitions.register(instance, config.declaration.collections)
        found = definitions.resolve_job_def(job) if job else definitions.resolve_implicit_global_asset_job_def()
        return found.execute_in_process(
            instance=instance, partition_key=name, raise_on_error=False, tags=tags or {},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )  # fmt: skip

    return launch


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Return what the materialization of the profiles shows."""
    (event,) = [event for event in result.get_asset_materialization_events() if event.asset_key == KEY]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def shown(database: Database) -> dict[str, bool]:
    """Return which documents are published, and whether they show a profile."""
    return dict(rows(database, "SELECT uri, profile IS NOT null FROM search.documents"))


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """Return the one sentence with which the step of the profiles failed."""
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert len(failures) == 1
    ours = failures[0].user_failure_data
    assert ours is not None, failures[0].error
    assert SENTENCE.fullmatch(str(ours.description)), ours.description
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    return str(ours.description)


@pytest.mark.great_expectations
def test_the_job_describes_what_is_published_and_says_so_in_numbers(
    publish: Publish, run: Run, database: Database
) -> None:
    publish()
    result = run("profile")
    assert result.success
    seen = metadata_of(result)
    assert (seen["described"], seen["requests"], seen["waiting"], seen["changed"]) == (3, 3, 0, True)
    assert set(shown(database).values()) == {True}
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == 5
    assert all(evaluation.passed and evaluation.asset_key == KEY for evaluation in evaluations)
    assert {evaluation.severity for evaluation in evaluations} == {dg.AssetCheckSeverity.WARN}
    assert any(int(str(evaluation.metadata["rows audited"].value)) == 3 for evaluation in evaluations)
    assert "data docs" in evaluations[0].metadata


def test_an_unchanged_collection_asks_nothing_and_says_so(publish: Publish, run: Run, llm: LlmServer) -> None:
    publish()
    run("profile")
    result = run("profile")
    assert result.success
    assert (metadata_of(result)["changed"], len(llm.bodies)) == (False, 3)


def test_a_refresh_leaves_the_profiles_to_a_run_of_their_own(run: Run, llm: LlmServer) -> None:
    result = run("refresh")
    assert KEY not in {event.asset_key for event in result.get_asset_materialization_events()}
    assert llm.bodies == []


def test_a_check_that_finds_something_warns_and_holds_nothing_up(
    publish: Publish, run: Run, llm: LlmServer, database: Database, declare: Declare
) -> None:
    declare(profiles={"budget": {"tokens_per_run": 1500}}, llm_is={"concurrency": 1, "max_output_tokens": 500})
    publish()
    result = run("profile")
    assert result.success
    found = {one.check_name: one for one in result.get_asset_check_evaluations() if not one.passed}
    assert set(found) == {"every_document_has_a_profile"}
    assert found["every_document_has_a_profile"].severity == dg.AssetCheckSeverity.WARN
    assert "`profiles.budget` of notes is spent" in metadata_of(result)["notes"]
    assert set(shown(database).values()) == {True, False}
    assert run("refresh").success


@pytest.mark.parametrize("trouble", ["fails", "is slow", "is away", "is not declared", "wants a key"])
def test_an_llm_that_does_not_answer_fails_the_run_of_the_profiles_alone_with_one_sentence(
    publish: Publish,
    run: Run,
    llm: LlmServer,
    declare: Declare,
    database: Database,
    corpus: Path,
    trouble: str,
) -> None:
    expected = {
        "fails": "did not answer within 0.3 s",
        "is slow": "did not answer within 0.3 s",
        "is away": "did not answer within 0.3 s",
        "is not declared": "add `llm` with its base_url and model",
        "wants a key": "set `api_key` of `llm`",
    }
    settings: dict[str, Any] = {"deadline_seconds": 0.3}
    if trouble == "fails":
        llm.trouble = lambda body: (503, {}, {"error": {"message": "down"}})
    elif trouble == "wants a key":
        llm.trouble = lambda body: (401, {}, {"error": {"message": "no"}})
    elif trouble == "is slow":
        llm.delay = 1.5
    elif trouble == "is away":
        settings["base_url"] = f"http://127.0.0.1:{free_port()}/v1"
    declare(llm_is=None if trouble == "is not declared" else settings)
    publish()
    result = run("profile")
    assert not result.success
    assert expected[trouble] in failure_of(result)
    write(corpus, "new.txt", "A new gate.\n")
    assert run("refresh").success
    assert shown(database) == dict.fromkeys(("gate.md", "tides.txt", "水門.md", "new.txt"), False)


def test_what_was_described_before_a_run_failed_is_audited_and_shown(
    publish: Publish, run: Run, llm: LlmServer, declare: Declare, database: Database
) -> None:
    declare(llm_is={"deadline_seconds": 0.3, "concurrency": 1})
    publish()
    llm.script = [None]
    llm.trouble = lambda body: (503, {}, {"error": {"message": "down"}})
    assert not run("profile").success
    assert sorted(shown(database).values()) == [False, False, True]


def test_where_everything_is_materialized_in_one_run_a_failing_llm_fails_its_own_step_alone(
    run: Run, llm: LlmServer, database: Database
) -> None:
    llm.trouble = lambda body: (401, {}, {"error": {"message": "no"}})
    result = run("")
    assert not result.success
    failure_of(result)
    keys = {event.asset_key for event in result.get_asset_materialization_events()}
    assert dg.AssetKey(["search", "chunks"]) in keys
    assert shown(database) == dict.fromkeys(("gate.md", "tides.txt", "水門.md"), False)


def test_documents_that_could_not_be_described_are_tried_again_where_the_run_asks_for_it(
    publish: Publish, run: Run, llm: LlmServer, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    publish()
    llm.says = lambda body: "I would rather not." if "tide" in data_of(body) else describe(body)
    result = run("profile")
    assert result.success
    assert metadata_of(result)["could_not_be_described"] == 1
    found = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert not found["few_documents_could_not_be_described"].passed
    llm.says = describe
    asked = len(llm.bodies)
    found = {one.check_name: one for one in run("profile").get_asset_check_evaluations()}
    assert not found["few_documents_could_not_be_described"].passed, "nothing has become better"
    assert len(llm.bodies) == asked
    capsys.readouterr()
    assert main(["profile"]) == 0
    told = capsys.readouterr().out
    assert "profiles: nothing was asked" in told
    assert "1 document could not be described; `suimon profile notes --retry` asks again." in told
    assert metadata_of(run("profile", tags={"suimon/retry": "true"}))["described"] == 1
    assert set(shown(database).values()) == {True}


def queue(instance: dg.DagsterInstance, job: str) -> str:
    """Put a run of the collection into Dagster's queue, where no daemon takes it; returns its id."""
    # Only a webserver or a daemon can queue a run; here is none.
    from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

    definition = build_defs(config=load()).resolve_job_def(job)
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("suimon"), "__repository__"), job)
    made = instance.create_run_for_job(
        definition, tags={"dagster/partition": "notes"}, status=dg.DagsterRunStatus.QUEUED, remote_job_origin=origin,
        job_code_origin=None,
    )  # fmt: skip
    return str(made.run_id)


def test_a_run_makes_way_for_a_refresh_that_waits_and_for_no_run_of_profiles(
    publish: Publish, run: Run, instance: dg.DagsterInstance, llm: LlmServer
) -> None:
    publish()
    waiting = queue(instance, "refresh")
    seen = metadata_of(run("profile"))
    assert (seen["waiting"], seen["goes on"], llm.bodies) == (3, True, [])
    assert "made way for another one of notes" in seen["notes"]
    instance.delete_run(waiting)
    queue(instance, "profile")
    seen = metadata_of(run("profile"))
    assert (seen["described"], seen["goes on"]) == (3, False)


@pytest.fixture
def tick(declare: Declare, instance: dg.DagsterInstance) -> Tick:
    """Evaluates the sensor once, as it was when the code location was loaded; it reads the declaration as it stands.

    Gives what it asks for, or the reason why it asks for nothing.
    """
    repository = build_defs(config=declare()).get_repository_def()

    def evaluate() -> list[dg.RunRequest] | str:
        with dg.build_sensor_context(instance=instance, repository_def=repository) as context:
            found = repository.get_sensor_def("profiles_waiting")(context)
        if isinstance(found, dg.SkipReason):
            return str(found.skip_message)
        assert isinstance(found, list)
        return list(found)

    return evaluate


@pytest.fixture
def daemon(run: Run, tick: Tick) -> Daemon:
    """Does what the daemon does in a minute: evaluates the sensor, launches what it asks for; returns the run keys."""

    def minute() -> list[str]:
        requests = tick()
        if isinstance(requests, str):
            return []
        for request in requests:
            assert request.partition_key is not None
            marks = {"dagster/run_key": str(request.run_key), "dagster/sensor_name": "profiles_waiting"}
            run("profile", request.partition_key, dict(request.tags) | marks)
        return [str(request.run_key) for request in requests]

    return minute


def an_hour_later(database: Database) -> None:
    """Let an hour pass since every publish."""
    with database.connect() as session:
        session.connection.execute("UPDATE publishes SET published_at = published_at - interval '1 hour'")


def test_the_sensor_asks_after_a_publish_and_nothing_while_nothing_waits(
    publish: Publish, tick: Tick, daemon: Daemon, corpus: Path, database: Database
) -> None:
    assert tick() == "notes: no document waits for a profile"
    publish()
    requests = tick()
    assert not isinstance(requests, str)
    (request,) = requests
    assert (request.partition_key, request.tags["suimon/collection"]) == ("notes", "notes")
    assert len(daemon()) == 1
    assert set(shown(database).values()) == {True}
    an_hour_later(database)
    assert daemon() == []
    assert tick() == "notes: no document waits for a profile"
    write(corpus, "new.txt", "A new gate.\n")
    publish()
    assert len(daemon()) == 1
    assert daemon() == []


def test_the_sensor_asks_for_the_same_thing_once_an_hour(
    publish: Publish,
    tick: Tick,
    daemon: Daemon,
    llm: LlmServer,
    database: Database,
) -> None:
    llm.trouble = lambda body: (401, {}, {"error": {"message": "no"}})
    publish()
    first = daemon()
    assert len(first) == 1
    assert daemon() == []
    assert tick() == "notes: 3 documents wait for a profile; asked for already, and again an hour later"
    an_hour_later(database)
    second = daemon()
    assert len(second) == 1
    assert second != first
    assert daemon() == []
    llm.trouble = None
    an_hour_later(database)
    assert len(daemon()) == 1
    assert set(shown(database).values()) == {True}


def test_the_sensor_asks_for_nothing_while_a_run_is_under_way_or_queued(
    publish: Publish, run: Run, tick: Tick, instance: dg.DagsterInstance
) -> None:
    publish()
    queued = queue(instance, "profile")
    assert tick() == "notes: what is declared is not in force yet; a run is under way"
    instance.delete_run(queued)
    assert len(tick()) == 1


def test_a_run_that_made_way_is_followed_by_another_at_once_and_by_one_alone(
    publish: Publish, run: Run, daemon: Daemon, instance: dg.DagsterInstance, llm: LlmServer
) -> None:
    publish()
    waiting = queue(instance, "refresh")
    assert len(daemon()) == 1
    instance.delete_run(waiting)
    llm.trouble = lambda body: (401, {}, {"error": {"message": "no"}})
    assert len(daemon()) == 1
    assert daemon() == []


def test_the_sensor_asks_when_other_profiles_are_declared(
    publish: Publish,
    declare: Declare,
    daemon: Daemon,
    llm: LlmServer,
    database: Database,
) -> None:
    publish()
    daemon()
    declare(llm_is={"model": "larger"})
    assert len(daemon()) == 1
    assert len(llm.bodies) == 6
    assert daemon() == []
    declare()
    assert daemon() == []  # Asked for in this hour already.
    an_hour_later(database)
    assert len(daemon()) == 1
    assert len(llm.bodies) == 6
    an_hour_later(database)
    assert daemon() == []


def test_the_sensor_says_what_keeps_it_from_asking(
    declare: Declare, tick: Tick, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    declare(llm_is=None)
    assert "add `llm` with its base_url and model" in tick()
    declare(profiles=None)
    assert tick() == "no collection asks for profiles"
    declare()
    monkeypatch.setenv("SUIMON_DATABASE_URL", f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    assert SENTENCE.fullmatch(str(tick()))
    (tmp_path / "collections.yaml").write_text("colections: {}")
    assert "colections is not a known key; did you mean collections?" in tick()
