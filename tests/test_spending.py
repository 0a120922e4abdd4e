"""What a refresh may cost: the purse, the ledger of cost, and what happens when a budget is spent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.settings import Budget
from assets.vectors.spending import Purse, Spent, affordable, allowance
from assets.workbench import Workbench
from resources.errors import BudgetReached
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer


@dataclass(frozen=True)
class Item:
    """Something of so many tokens."""

    tokens: int


@given(st.lists(st.integers(0, 200)), st.integers(0, 2000))
def test_a_purse_never_admits_more_than_it_holds(sizes: list[int], allowed: int) -> None:
    admitted = list(affordable((Item(size) for size in sizes), Purse(allowed)))
    assert sum(item.tokens for item in admitted) <= allowed
    assert admitted == [Item(size) for size in sizes[: len(admitted)]]
    if len(admitted) < len(sizes):
        assert sum(sizes[: len(admitted) + 1]) > allowed


@given(st.lists(st.integers(1, 50), min_size=1), st.floats(1, 3), st.integers(100, 2000))
def test_a_purse_believes_the_endpoint_where_it_counts_more_than_we_do(
    sizes: list[int], ratio: float, allowed: int
) -> None:
    purse = Purse(allowed)
    charged = 0
    for item in affordable((Item(size) for size in sizes), purse):
        cost = math.ceil(item.tokens * ratio)
        charged += cost
        purse.settle(item.tokens, cost)
    largest = math.ceil(max(sizes) * ratio)
    assert charged <= allowed + largest  # At most the last one was dearer than its like before it.


@given(
    st.none() | st.integers(1, 1000), st.none() | st.integers(1, 1000), st.none() | st.floats(0.1, 10),
    st.integers(0, 2000), st.integers(0, 2000),
)  # fmt: skip
def test_an_allowance_is_what_the_tightest_bound_leaves(
    per_run: int | None, per_day: int | None, money: float | None, run: int, day: int
) -> None:
    budget = Budget.model_validate({"tokens_per_run": per_run, "tokens_per_day": per_day, "cost_per_day": money})
    left = allowance(budget, Spent(run, day, 0.0, 1.0), 2.0)
    bounds = [
        bound
        for bound in (
            None if per_run is None else per_run - run,
            None if per_day is None else per_day - day,
            None if money is None else (money - 1.0) * 500_000,
        )
        if bound is not None
    ]
    assert left == (pytest.approx(max(0.0, min(bounds))) if bounds else math.inf)


def fill(corpus: Path, documents: int = 6) -> None:
    """Write documents of a few chunks each."""
    for number in range(documents):
        paragraphs = "\n\n".join(
            f"## Part {part}\n\n" + " ".join(f"word{number}x{part}x{place}" for place in range(30)) for part in range(4)
        )
        write(corpus, f"long{number}.md", f"# Document {number}\n\n{paragraphs}\n")


def seen(database: Database) -> int:
    """Count the documents that readers see."""
    return int(rows(database, "SELECT count(*) FROM search.documents")[0][0])


def test_a_spent_budget_stops_the_run_and_the_next_goes_on_without_paying_twice(
    make_bench: Callable[..., Workbench], endpoint: EmbeddingServer, database: Database, corpus: Path
) -> None:
    fill(corpus)
    small = make_bench(budget={"tokens_per_run": 400}, space={"max_inputs": 2})
    refusals = 0
    sent = 0
    while True:
        endpoint.forget()
        try:
            refresh(small)
            break
        except BudgetReached:
            refusals += 1
            assert seen(database) == 0
        finally:
            probes = {"sluice gate 水門"}
            sent += len([text for text in endpoint.texts if text not in probes and "word" in text])
        assert refusals < 20
    assert refusals >= 2
    assert seen(database) == 9
    charged = rows(database, "SELECT run_id, sum(tokens) FROM corpus.costs GROUP BY run_id", role=None)
    assert all(tokens <= 400 for _, tokens in charged)
    texts = rows(database, "SELECT count(*) FROM corpus.texts WHERE text LIKE '%word%'", role=None)[0][0]
    assert sent == texts


def test_the_day_s_budget_counts_all_runs_of_the_day_and_none_of_yesterday(
    make_bench: Callable[..., Workbench], database: Database, corpus: Path
) -> None:
    fill(corpus)
    bench = make_bench(budget={"tokens_per_day": 400}, space={"max_inputs": 2}, timezone="Asia/Tokyo")
    for _ in range(3):
        with pytest.raises(BudgetReached):
            refresh(bench)
    spent = rows(database, "SELECT sum(tokens) FROM corpus.costs", role=None)[0][0]
    assert 200 <= spent <= 400
    with database.connect(role=None) as session:
        session.connection.execute("UPDATE corpus.costs SET hour = hour - interval '1 day'")
    with pytest.raises(BudgetReached):
        refresh(bench)
    assert rows(database, "SELECT sum(tokens) FROM corpus.costs", role=None)[0][0] > spent


def test_finished_documents_are_published_meanwhile_where_that_is_declared(
    make_bench: Callable[..., Workbench], endpoint: EmbeddingServer, database: Database, corpus: Path
) -> None:
    fill(corpus)
    bench = make_bench(budget={"tokens_per_run": 400, "publish_finished": True}, space={"max_inputs": 2})
    counts = [0]
    for _ in range(20):
        summary = refresh(bench)
        counts.append(seen(database))
        whole = rows(
            database,
            "SELECT count(*) FROM corpus.heads AS h INNER JOIN corpus.chunks AS k USING (chunk_set_id) "
            "WHERE NOT EXISTS (SELECT FROM corpus.vectors_small AS v WHERE v.text_id = k.text_id)",
            role=None,
        )
        assert whole == [(0,)]  # No document is seen in part.
        if "postponed_documents" not in summary.reports["vectors"].counts:
            break
    assert counts == sorted(counts)
    assert len(set(counts)) > 3
    assert counts[-1] == 9
    texts = [text for text in endpoint.texts if "word" in text]
    assert len(texts) == len(set(texts))
    endpoint.forget()
    assert not refresh(bench).changed
    assert endpoint.texts == []


def test_the_ledger_of_cost_agrees_with_what_the_endpoint_saw(
    make_bench: Callable[..., Workbench], endpoint: EmbeddingServer, database: Database, corpus: Path
) -> None:
    fill(corpus)
    refresh(make_bench(include=["gate.md"], limits={"vanished_share": 1, "growth_documents": 100}))
    with database.connect(role=None) as session:
        session.connection.execute("DELETE FROM corpus.costs")
    endpoint.forget()
    endpoint.script = [(503, {}, {"error": {"message": "busy"}})]
    bench = make_bench(
        space={"max_inputs": 4, "price_per_million_tokens": 0.5, "currency": "JPY"},
        budget={"cost_per_run": 1.0}, limits={"growth_documents": 100},
    )  # fmt: skip
    summary = refresh(bench)
    ledger = rows(
        database,
        "SELECT collection, stage, model, currency, sum(requests), sum(inputs), sum(tokens), sum(cost)::float8 "
        "FROM corpus.costs GROUP BY 1, 2, 3, 4",
        role=None,
    )
    tokens = sum(math.ceil(len(text) / 4) for request in endpoint.requests[1:] for text in request)
    inputs = sum(len(request) for request in endpoint.requests[1:])
    assert ledger == [
        ("notes", "vectors", "fake", "JPY", len(endpoint.requests), inputs, tokens, pytest.approx(tokens * 0.5e-6))
    ]
    report = summary.reports["vectors"]
    assert report.cost == pytest.approx(tokens * 0.5e-6)
    assert report.counts["requests"] == len(endpoint.requests)


def test_a_budget_in_money_needs_a_price(tmp_path: Path) -> None:
    from pipelines.config import load
    from resources.errors import ConfigurationError

    path = tmp_path / "collections.yaml"
    path.write_text("collections:\n  notes: {source: docs, budget: {cost_per_day: 2}}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="price_per_million_tokens"):
        load(path, {})
