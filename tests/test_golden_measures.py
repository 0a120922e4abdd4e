"""Measures of a ranking: what the gate computes in SQL is what trec_eval computes."""

from __future__ import annotations

import random

import pytest

from assets.quality.measures import Figures, measure
from assets.quality.verdict import Fared, QualityFell, broken_table, verdict_of
from assets.settings import Golden
from resources.postgres import Database


def in_sql(database: Database, questions: dict[str, list[int | None]], k: int) -> dict[str, Figures]:
    """Measure as the gate does."""
    found = {}
    with database.connect() as session:
        for key, ranks in questions.items():
            row = session.connection.execute("SELECT * FROM golden_measures(%s, %s)", [ranks, k]).fetchone()
            assert row is not None
            recall, ndcg, mrr = row
            found[key] = Figures(recall, mrr, ndcg)
    return found


@pytest.mark.parametrize("k", [1, 3, 10])
def test_sql_and_trec_eval_agree_on_every_ranking(database: Database, k: int) -> None:
    drawn = random.Random(k)
    questions: dict[str, list[int | None]] = {
        f"q{n}": [drawn.choice([None, *range(1, k + 1)]) for _ in range(drawn.randint(1, 6))] for n in range(150)
    }
    ours, theirs = in_sql(database, questions, k), measure(questions, k)
    assert set(ours) == set(theirs)
    for key, ranks in questions.items():
        assert ours[key].recall == pytest.approx(theirs[key].recall), ranks
        assert ours[key].ndcg == pytest.approx(theirs[key].ndcg), ranks
        assert ours[key].mrr == pytest.approx(theirs[key].mrr), ranks


def test_measures_worked_out_by_hand() -> None:
    found = measure({"first": [1], "third": [3], "none": [None], "both": [1, 1], "half": [2, None]}, 10)
    assert found["first"] == Figures(1, 1, 1)
    assert found["third"].ndcg == pytest.approx(0.5)
    assert found["third"].mrr == pytest.approx(1 / 3)
    assert found["none"] == Figures(0, 0, 0)
    assert found["both"] == Figures(1, 1, 1)  # One passage that gives both answers could not be better.
    assert found["half"].recall == 0.5


def fared(label: str, before: float, after: float, kept: int = 1, gone: int = 0) -> Fared:
    """A question with the same value for each measure."""
    return Fared(label, kept, gone, before, before, before, after, after, after)


def test_a_verdict_is_about_means_and_names_the_worst_first() -> None:
    settings = Golden.model_validate({"file": "x", "tolerance": 0.1})
    questions = [fared("a", 1, 0.5), fared("b", 1, 0), fared("c", 0.5, 1), fared("d", 1, 1), fared("e", 0, 0, 0, 1)]
    verdict = verdict_of(questions, settings, ["f"], first=False)
    assert verdict.means()["recall"] == (0.875, 0.625)
    assert verdict.fallen == ("recall", "ndcg")
    assert [item.label for item in verdict.broken] == ["b", "a"]
    assert verdict.gone == ("e",)
    sentence = verdict.sentence("notes", "run-1")
    assert "recall@10 would fall from 0.875 to 0.625 and nDCG@10" in sentence
    assert "over 4 golden questions" in sentence
    assert "worse: b, a." in sentence
    assert verdict_of(questions, settings, [], first=True).fallen == ()


def test_a_fall_of_just_the_tolerance_is_tolerated() -> None:
    questions = [fared(f"q{n}", 1, 1) for n in range(9)] + [fared("q9", 1, 0)]
    assert verdict_of(questions, Golden.model_validate({"file": "x", "tolerance": 0.1}), [], first=False).fallen == ()
    assert verdict_of(questions, Golden.model_validate({"file": "x", "tolerance": 0.09}), [], first=False).fallen
    only_ndcg = Golden.model_validate({"file": "x", "tolerance": 0.09, "measures": ["ndcg"]})
    assert verdict_of(questions, only_ndcg, [], first=False).fallen == ("ndcg",)


def test_a_failure_survives_pickling_and_its_table_stays_a_table() -> None:
    import pickle

    figures = verdict_of([fared("a | <b>", 1, 0)], Golden.model_validate({"file": "x"}), [], first=False).figures()
    error = pickle.loads(pickle.dumps(QualityFell("sentence", {"quality_fell": "sentence"}, figures)))
    assert error.figures == figures
    assert "| a \\| &lt;b> | 1.00 | 0.00 | 1.00 | 0.00 |" in broken_table(error.figures)
