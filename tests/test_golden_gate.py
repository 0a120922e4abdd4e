"""The gate holds a publish to the golden questions: what makes them fare worse is never seen by a reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets.publication.rollback import rollback, unpin
from assets.quality.verdict import QualityFell
from assets.settings import Space
from assets.upkeep import spaces
from assets.workbench import Workbench
from resources import failpoints
from resources.errors import BudgetReached, ConfigurationError
from resources.postgres import Database
from tests import golden
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer, serve

SHOWN = "SELECT count(*), coalesce(md5(string_agg(text, ' ' ORDER BY uri, ordinal)), '') FROM search.chunks"
FIGURES = "SELECT passed, findings, figures FROM corpus.gate_verdicts ORDER BY verdict_id DESC LIMIT 1"
GOOD = {"max_tokens": 64, "min_tokens": 4}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Nine documents that golden questions are about."""
    return golden.plant(tmp_path / "corpus")


@pytest.fixture
def bench(make_bench: Callable[..., Workbench], tmp_path: Path) -> Workbench:
    """A workbench whose collection declares golden questions."""
    golden.ask(tmp_path / "golden.jsonl")
    return make_bench(golden={"file": "golden.jsonl", "k": 5}, chunking=GOOD)


def redeclare(bench: Workbench, **changes: Any) -> None:
    """Change what the collection declares."""
    declared = bench.collections["notes"]
    bench.collections = {"notes": type(declared).model_validate(declared.model_dump() | changes)}


def verdict(database: Database) -> tuple[bool, dict[str, str], dict[str, Any]]:
    """Return the newest verdict: whether it passed, what it found, its figures."""
    ((passed, findings, figures),) = rows(database, FIGURES, role="pipeline")
    return passed, findings, figures["small"]


def spoil_a_third(corpus: Path) -> None:
    """Replace the text of three of the nine documents."""
    for name in list(golden.SUBJECTS)[:3]:
        write(corpus, f"{name}.md", "# Lorem\n\nLorem ipsum dolor sit amet, consectetur adipiscing elit.\n" + name * 2)


def answer_noise(endpoint: EmbeddingServer) -> None:
    """Have an endpoint answer with vectors that have nothing to do with the texts."""
    drawn = np.random.default_rng(7)

    def noise(answer: Any) -> Any:
        status, headers, body = answer
        for item in body["data"]:
            vector = drawn.standard_normal(endpoint.dimensions)
            item["embedding"] = (vector / np.linalg.norm(vector)).tolist()
        return status, headers, body

    endpoint.trouble = lambda texts: noise


def with_a_bad_chunker(bench: Workbench, corpus: Path, endpoint: EmbeddingServer) -> None:
    """Cut every document into crumbs without their headings."""
    redeclare(bench, chunking={"max_tokens": 16, "min_tokens": 0, "heading_path": False})


def with_a_bad_model(bench: Workbench, corpus: Path, endpoint: EmbeddingServer) -> None:
    """Have the endpoint answer noise to whatever is new, and have all be new; and its words say little."""
    answer_noise(endpoint)
    redeclare(bench, chunking=GOOD | {"max_tokens": 63, "heading_path": False})


def with_bad_text(bench: Workbench, corpus: Path, endpoint: EmbeddingServer) -> None:
    """Spoil a third of the documents."""
    spoil_a_third(corpus)


@pytest.mark.parametrize("spoil", [with_a_bad_chunker, with_a_bad_model, with_bad_text])
def test_what_makes_golden_questions_fare_worse_is_never_seen_by_a_reader(
    bench: Workbench,
    database: Database,
    corpus: Path,
    endpoint: EmbeddingServer,
    spoil: Callable[[Workbench, Path, EmbeddingServer], None],
) -> None:
    refresh(bench)
    passed, _, figures = verdict(database)
    assert passed
    assert (figures["judged"], figures["compared"]) == (18, 0)
    good = rows(database, SHOWN)
    spoil(bench, corpus, endpoint)
    with (
        golden.watching(database, SHOWN) as seen,
        pytest.raises(QualityFell, match=r"nDCG@5 would fall from .* to .* over 18 golden questions") as raised,
    ):
        refresh(bench)
    assert seen == {tuple(good)}
    passed, findings, figures = verdict(database)
    assert not passed
    assert set(findings) == {"quality_fell"}
    assert figures["compared"] == 18
    assert figures["before"]["ndcg"] - figures["after"]["ndcg"] > 0.05
    assert figures["broken"][0]["question"] in str(raised.value)
    assert rows(database, "SELECT publish FROM search.publishes") == [(1,)]


def test_what_a_person_accepts_is_published_once_and_is_the_next_baseline(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    refresh(bench)
    spoil_a_third(corpus)
    bench.accept_quality, bench.asked_by = True, "somebody@desk"
    with pytest.raises(QualityFell, match="--accept-quality wants a reason"):
        refresh(bench)
    bench.because = "the old text was withdrawn"
    refresh(bench)
    passed, findings, figures = verdict(database)
    assert (passed, findings, figures["accepted"]) == (True, {}, True)
    kept = "SELECT kind, given_by, because, seen #> '{small,fallen}' FROM corpus.confirmations"
    assert rows(database, kept, role="pipeline") == [
        ("quality", "somebody@desk", "the old text was withdrawn", ["recall", "ndcg"])
    ]
    bench.accept_quality, bench.because = False, ""
    write(corpus, "new.md", "# Rope\n\nA rope is kept dry.\n")
    refresh(bench)  # Compared with what was accepted, it is no worse.
    passed, _, figures = verdict(database)
    assert passed
    assert (figures["compared"], figures["fallen"], figures["accepted"]) == (18, [], False)
    assert figures["before"]["recall"] < 0.8
    write(corpus, "pump.md", "# Lorem\n\nNothing of the kind.\n")
    with pytest.raises(QualityFell, match="worse: set-pump, who-pump"):  # It was accepted once, not for ever.
        refresh(bench)


def test_questions_whose_answers_left_the_source_are_left_out_and_reported(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    refresh(bench)
    (corpus / "siren.md").unlink()
    summary = refresh(bench)
    assert rows(database, "SELECT count(*) FROM search.documents") == [(8,)]
    _, _, figures = verdict(database)
    assert (figures["compared"], sorted(figures["gone"])) == (16, ["set-siren", "who-siren"])
    assert summary.reports["publication"].counts["questions_gone"] == 2
    quality = "SELECT DISTINCT questions, left_out FROM search.retrieval_quality WHERE publish = 2"
    assert rows(database, quality, role="pipeline") == [(16, 2)]


def test_golden_questions_that_are_declared_later_hold_the_very_next_publish(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    redeclare(bench, golden=None)
    refresh(bench)
    redeclare(bench, golden={"file": "golden.jsonl", "k": 5})
    spoil_a_third(corpus)
    with pytest.raises(QualityFell):
        refresh(bench)
    assert rows(database, "SELECT publish FROM search.publishes") == [(1,)]


def test_a_changed_file_of_questions_is_compared_as_it_is_now_and_becomes_the_baseline(
    bench: Workbench, database: Database, corpus: Path, endpoint: EmbeddingServer, tmp_path: Path
) -> None:
    refresh(bench)
    golden.ask(tmp_path / "golden.jsonl", without="pump")
    with (tmp_path / "golden.jsonl").open("a") as file:
        file.write('{"question": "which wheel throws water", "answers": ["pump.md"]}\n')
    endpoint.forget()
    summary = refresh(bench)  # Nothing to publish: the new question is embedded and judged all the same.
    assert endpoint.texts == ["which wheel throws water"]
    assert not summary.reports["publication"].changed
    labels = rows(database, "SELECT count(*), max(label) FROM corpus.golden_figures", role="pipeline")
    assert labels == [(17, "who-水門")]
    endpoint.forget()
    assert not refresh(bench).changed
    spoil_a_third(corpus)
    with pytest.raises(QualityFell, match="over 17 golden questions"):
        refresh(bench)
    assert endpoint.texts, "the new text was embedded"
    assert not [text for text in endpoint.texts if "wheel" in text]


def test_an_unchanged_refresh_asks_nothing_and_measures_nothing(
    bench: Workbench, database: Database, endpoint: EmbeddingServer
) -> None:
    first = refresh(bench)
    assert len([text for text in endpoint.texts if text.startswith(("who looks", "what is"))]) == 18
    assert first.reports["retrieval_quality"].counts == {"questions": 18, "left_out": 0}
    asked = "SELECT stage, sum(inputs) FROM corpus.costs GROUP BY stage ORDER BY stage"
    assert [stage for stage, _ in rows(database, asked, role="pipeline")] == ["golden", "vectors"]
    assert rows(database, asked, role="pipeline")[0] == ("golden", 18)
    endpoint.forget()
    second = refresh(bench)
    assert not second.changed
    assert endpoint.requests == []


def test_after_a_rollback_the_state_that_readers_see_is_the_baseline(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    refresh(bench)
    spoil_a_third(corpus)
    bench.accept_quality, bench.because = True, "a try"
    refresh(bench)
    bench.accept_quality, bench.because = False, ""
    rollback(bench, "notes", 1, by="somebody", run_id="back")
    unpin(bench, "notes", run_id="unpin")
    with pytest.raises(QualityFell):  # What was accepted once is not what readers see now.
        refresh(bench)
    assert rows(database, "SELECT max(publish) FROM search.publishes") == [(3,)]


def test_a_reader_waits_for_no_judgement(bench: Workbench, database: Database, corpus: Path) -> None:
    refresh(bench)
    write(corpus, "new.md", "# Rope\n\nA rope is kept dry.\n")
    looks: list[list[tuple[Any, ...]]] = []

    def look(name: str) -> None:
        if name == "golden.judged":
            with database.connect("reader") as session:
                session.connection.execute("SET statement_timeout = '20s'")
                looks.append(session.connection.execute("SELECT count(*) FROM search.documents").fetchall())

    failpoints.install(look)
    try:
        refresh(bench)
    finally:
        failpoints.install(None)
    assert looks == [[(9,)]]
    assert rows(database, "SELECT count(*) FROM search.documents") == [(10,)]


def test_a_text_that_two_documents_hold_answers_for_both(
    bench: Workbench, database: Database, corpus: Path, tmp_path: Path
) -> None:
    write(corpus, "zz-copy.md", (corpus / "pump.md").read_bytes())
    with (tmp_path / "golden.jsonl").open("a") as file:
        file.write('{"id": "both", "question": "impeller vane of the pump", "answers": ["pump.md", "zz-copy.md"]}\n')
    refresh(bench)
    judged = "SELECT recall, ranks FROM corpus.golden_figures WHERE label = 'both'"
    assert rows(database, judged, role="pipeline") == [(1.0, [1, 1])]
    refresh(bench)


def test_a_budget_that_does_not_reach_for_the_questions_stops_the_publish_and_keeps_what_was_paid(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    redeclare(bench, golden=None)
    refresh(bench)
    write(corpus, "new.md", "# Rope\n\nA rope is kept dry.\n")
    redeclare(bench, golden={"file": "golden.jsonl", "k": 5}, budget={"tokens_per_run": 100})
    with pytest.raises(BudgetReached, match="golden questions have no vector yet"):
        refresh(bench)
    assert rows(database, "SELECT count(*) FROM search.documents") == [(9,)]
    ((kept,),) = rows(database, "SELECT count(*) FROM corpus.golden_vectors", role="pipeline")
    assert 0 < kept < 18
    redeclare(bench, budget={"tokens_per_run": 100, "publish_finished": True})
    summary = refresh(bench)  # Asks what it could pay for, and publishes.
    assert rows(database, "SELECT count(*) FROM search.documents") == [(10,)]
    asked = summary.reports["publication"].counts
    assert kept < asked["questions_asked"] == 18 - asked["questions_without_vector"]


def test_a_question_that_the_endpoint_refuses_is_left_out_alone(
    bench: Workbench, database: Database, endpoint: EmbeddingServer
) -> None:
    endpoint.refuses = lambda text: text.startswith("who looks") and "siren" in text
    summary = refresh(bench)
    _, _, figures = verdict(database)
    assert (figures["judged"], figures["unasked"]) == (17, ["who-siren"])
    assert summary.reports["publication"].counts["questions_without_vector"] == 1


def test_a_filter_that_does_not_fit_the_collection_is_one_sentence(bench: Workbench, tmp_path: Path) -> None:
    golden.ask(tmp_path / "golden.jsonl", filter={"departement": "ops"})
    with pytest.raises(ConfigurationError, match=r"golden.jsonl cannot be applied to notes: .*departement"):
        refresh(bench)
    golden.ask(tmp_path / "golden.jsonl", filter={"format": "md"})
    refresh(bench)


def test_every_space_that_a_publish_is_shown_in_is_held_to_its_own_figures(
    bench: Workbench, database: Database, corpus: Path
) -> None:
    refresh(bench)
    with serve(EmbeddingServer(dimensions=48, model="another")) as another:
        declared = {"base_url": another.url, "model": "new", "token_limit": 128}
        bench.spaces = {**bench.spaces, "large": Space.model_validate(declared)}
        spaces.add(bench, "large")
        spaces.fill(bench, "large", bench.collections, lambda name: None if refresh(bench, name) else "")
        answer_noise(another)
        golden.plant(corpus, " Every stage of it is new.")
        with pytest.raises(QualityFell, match="in space large "):
            refresh(bench)
        ((figures,),) = rows(database, FIGURES.replace("passed, findings, ", ""), role="pipeline")
        assert (figures["small"]["fallen"], figures["large"]["fallen"]) == ([], ["recall", "ndcg"])
        bench.accept_quality, bench.because = True, "the new model is not in use yet"
        refresh(bench)
    assert rows(database, "SELECT max(publish) FROM search.publishes") == [(2,)]
