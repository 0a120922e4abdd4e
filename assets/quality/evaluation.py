"""Asking golden questions of what is published, by each leg of the search: for the asset, and for `suimon evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assets.quality.asking import Asker, ensure_golden_vectors
from assets.quality.golden import GoldenSet
from assets.quality.guard import readable_filters
from assets.quality.measures import Figures, installed, mean, measure
from assets.quality.verdict import cell
from assets.vectors.spaces import KnownSpace

LEGS = ("semantic", "lexical", "hybrid")


@dataclass(frozen=True)
class Evaluation:
    """How golden questions fare with what readers see.

    Attributes:
        publish_id: what readers saw.
        number: of that publish in its collection.
        space: whose vectors were searched.
        k: passages that were looked at.
        legs: for each leg the figures of each question, by label.
        left_out: labels of questions none of whose answers readers see.
        unasked: labels of questions that have no vector.
    """

    publish_id: int
    number: int
    space: str
    k: int
    legs: dict[str, dict[str, Figures]]
    left_out: tuple[str, ...]
    unasked: tuple[str, ...]

    @property
    def questions(self) -> int:
        """How many were measured."""
        return len(self.legs["hybrid"])

    def mean(self, leg: str) -> Figures:
        """Return the means of a leg over the questions that all legs were asked."""
        asked = self.legs["hybrid"]
        return mean([figures for label, figures in self.legs[leg].items() if label in asked])

    def worst(self, most: int) -> list[str]:
        """Return labels of questions that the default search answers badly, the worst first.

        Args:
            most: how many.
        """
        hybrid = self.legs["hybrid"]
        bad = [label for label, figures in hybrid.items() if figures.ndcg < 1]
        return sorted(bad, key=lambda label: (hybrid[label].ndcg, hybrid[label].recall, label))[:most]


def newest_publish(asker: Asker) -> dict[str, Any] | None:
    """Return the publish whose state readers see; None if they see nothing."""
    found = asker.session.records("quality/read_newest_publish", {"collection_id": asker.collection_id})
    return found[0] if found else None


def evaluate(asker: Asker, golden: GoldenSet, space: KnownSpace, *, k: int | None = None) -> Evaluation | None:
    """Ask the golden questions of a collection in a space; None if nothing of it is published.

    Questions that are new there are embedded first.

    Args:
        asker: on whose account.
        golden: the questions.
        space: whose vectors are searched.
        k: passages to look at, if other than declared.

    Raises:
        ConfigurationError: a filter of a question cannot be applied.
        EndpointUnavailable: questions are new, and the endpoint did not answer in time.
    """
    if newest_publish(asker) is None:
        return None
    unasked = ensure_golden_vectors(asker, golden, space)
    k = k or golden.settings.k
    params = {"space": space.name, "collection": asker.name, "k": k, "questions": golden.asked("")}
    with asker.session.transaction(repeatable_read=True):  # One publish, whichever comes in between.
        newest = newest_publish(asker)
        if newest is None:
            return None
        with readable_filters(asker.name, golden):
            judged = {leg: asker.session.records("quality/judge_questions", params | {"leg": leg}) for leg in LEGS}
    left_out = tuple(row["label"] for row in judged["lexical"] if not row["ranks"])
    legs = {leg: _measured(rows, k) for leg, rows in judged.items()}
    return Evaluation(newest["publish_id"], newest["number"], space.name, k, legs, left_out, unasked)


def _measured(rows: Sequence[dict[str, Any]], k: int) -> dict[str, Figures]:
    seen = [row for row in rows if row["ranks"]]
    if not installed():
        return {row["label"]: Figures(row["recall"], row["mrr"], row["ndcg"]) for row in seen}
    by_key = measure({row["question_key"]: row["ranks"] for row in seen}, k)
    return {row["label"]: by_key[row["question_key"]] for row in seen}


def worst_table(found: Evaluation, most: int = 20) -> str:
    """Write the questions that are answered badly as a table in Markdown; no passage is shown.

    Args:
        found: the evaluation.
        most: rows.
    """
    worst = found.worst(most)
    if not worst:
        return "Every question finds its answers first."
    head = "| question | recall | nDCG | semantic | lexical |\n|---|---|---|---|---|\n"
    rows = []
    for label in worst:
        by_leg = {leg: found.legs[leg].get(label) for leg in LEGS}
        hybrid, semantic, lexical = by_leg["hybrid"], by_leg["semantic"], by_leg["lexical"]
        assert hybrid is not None, "a question that was just taken from this leg"
        others = " | ".join("" if leg is None else f"{leg.ndcg:.2f}" for leg in (semantic, lexical))
        rows.append(f"| {cell(label)} | {hybrid.recall:.2f} | {hybrid.ndcg:.2f} | {others} |")
    return head + "\n".join(rows)
