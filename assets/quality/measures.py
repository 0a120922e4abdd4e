"""The field's measures of a ranking, by pytrec_eval: the evaluation that TREC has used since 1992. Pure.

A question's ranking is the list that `golden_measures` in SQL makes of it: each newly found answer is an item, and so
is each passage that gives nothing new. A test holds the two equal; the gate has SQL alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Ranks = Sequence[int | None]
"""For each answer of a question the rank of the first passage that gives it, from 1; None for none."""


@dataclass(frozen=True)
class Figures:
    """Measures of a question, or their means.

    Attributes:
        recall: share of the answers among the first k.
        mrr: 1 by the position of the first answer, 0 if there is none among the first k.
        ndcg: normalised discounted cumulative gain of the first k.
    """

    recall: float
    mrr: float
    ndcg: float


def installed() -> bool:
    """Say whether pytrec_eval is there; it has no wheels for some platforms, where SQL measures alone."""
    from importlib.util import find_spec

    return find_spec("pytrec_eval") is not None


def measure(questions: Mapping[str, Ranks], k: int) -> dict[str, Figures]:
    """Measure rankings.

    Args:
        questions: by key.
        k: items that are looked at.
    """
    import pytrec_eval

    relevant = {key: {_answer(nth): 1 for nth in range(len(ranks))} for key, ranks in questions.items()}
    evaluator = pytrec_eval.RelevanceEvaluator(relevant, {f"recall.{k}", f"ndcg_cut.{k}", "recip_rank"})
    measured = evaluator.evaluate({key: _scores(ranks, k) for key, ranks in questions.items()})
    return {
        key: Figures(found[f"recall_{k}"], found["recip_rank"], found[f"ndcg_cut_{k}"])
        for key, found in measured.items()
    }


def mean(figures: Sequence[Figures]) -> Figures:
    """Return the means of some questions; zeros for none."""
    count = max(1, len(figures))
    return Figures(
        sum(item.recall for item in figures) / count,
        sum(item.mrr for item in figures) / count,
        sum(item.ndcg for item in figures) / count,
    )


def _answer(nth: int) -> str:
    return f"answer {nth}"


def _scores(ranks: Ranks, k: int) -> dict[str, float]:
    """Write a ranking as scores, which is what trec_eval takes: the higher, the further up."""
    items: list[str] = []
    for rank in range(1, k + 1):
        answers = [_answer(nth) for nth, found in enumerate(ranks) if found == rank]
        items += answers or [f"passage {rank}"]
    return {item: float(k - at) for at, item in enumerate(items[:k])}
