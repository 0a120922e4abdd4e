"""Whether golden questions fare worse than before, and what is said of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assets.settings import Golden
from resources.errors import GateClosed

MEASURES = ("recall", "ndcg", "reciprocal_rank")

CALLED = {"recall": "recall", "ndcg": "nDCG", "reciprocal_rank": "MRR", "mrr": "MRR"}
"""The field's own names."""

NAMED = 5
"""Questions that a sentence names."""

SMALLEST_CHANGE = 1e-9


@dataclass(frozen=True)
class Fared:
    """How a golden question fares, as `compare_figures.sql` tells.

    Attributes:
        label: its id or first words.
        kept: answers that can be compared.
        gone: answers whose documents readers saw before, and do not see any more.
        recall_before: and the others: means over kept answers; None where there is nothing to compare.
    """

    label: str
    kept: int
    gone: int
    recall_before: float | None
    ndcg_before: float | None
    reciprocal_rank_before: float | None
    recall_after: float | None
    ndcg_after: float | None
    reciprocal_rank_after: float | None

    def before(self, measure: str) -> float:
        """Return a measure of the last publish."""
        return float(getattr(self, f"{measure}_before") or 0.0)

    def after(self, measure: str) -> float:
        """Return a measure of what would become visible."""
        return float(getattr(self, f"{measure}_after") or 0.0)


@dataclass(frozen=True)
class Verdict:
    """What the gate thinks of a publish.

    Attributes:
        compared: questions that can be compared.
        judged: questions that were asked.
        gone: labels of questions all of whose compared answers left what readers see.
        unasked: labels of questions without a vector.
        settings: by which it is judged.
    """

    compared: tuple[Fared, ...]
    judged: int
    gone: tuple[str, ...]
    unasked: tuple[str, ...]
    settings: Golden

    def means(self) -> dict[str, tuple[float, float]]:
        """Return each measure before and after, over the questions that can be compared."""
        count = max(1, len(self.compared))
        return {
            measure: (
                sum(fared.before(measure) for fared in self.compared) / count,
                sum(fared.after(measure) for fared in self.compared) / count,
            )
            for measure in MEASURES
        }

    @property
    def fallen(self) -> tuple[str, ...]:
        """The measures that fell by more than the tolerance."""
        means = self.means()
        return tuple(
            measure
            for measure in self.settings.measures
            if means[measure][0] - means[measure][1] > self.settings.tolerance + SMALLEST_CHANGE
        )

    @property
    def broken(self) -> tuple[Fared, ...]:
        """The questions that fare worse, the worst first."""
        worse = [fared for fared in self.compared if _loss(fared) > SMALLEST_CHANGE]
        return tuple(sorted(worse, key=lambda fared: (-_loss(fared), fared.label)))

    def sentence(self, name: str, run_id: str) -> str:
        """Say what fell, by how much, which questions broke, and the way out.

        Args:
            name: of the collection.
            run_id: the refresh that was taken back.
        """
        means, k = self.means(), self.settings.k
        falls = " and ".join(
            f"{CALLED[measure]}@{k} would fall from {means[measure][0]:.3f} to {means[measure][1]:.3f}"
            for measure in self.fallen
        )
        named = ", ".join(fared.label for fared in self.broken[:NAMED])
        more = f" and {len(self.broken) - NAMED} more" if len(self.broken) > NAMED else ""
        return (
            f"{falls} over {len(self.compared)} golden questions, more than golden.tolerance "
            f"{self.settings.tolerance:g} allows; worse: {named}{more}. Run {run_id} has all of them; if this is "
            f'meant, `suimon refresh {name} --accept-quality --because "..."` publishes it once'
        )

    def figures(self) -> dict[str, Any]:
        """Return what is recorded of it: numbers and labels."""
        means = self.means()
        return {
            "k": self.settings.k,
            "tolerance": self.settings.tolerance,
            "judged": self.judged,
            "compared": len(self.compared),
            "gone": list(self.gone),
            "unasked": list(self.unasked),
            "before": {measure: means[measure][0] for measure in MEASURES} if self.compared else None,
            "after": {measure: means[measure][1] for measure in MEASURES} if self.compared else None,
            "fallen": list(self.fallen),
            "broken": [
                {
                    "question": fared.label,
                    **{f"{measure}_before": fared.before(measure) for measure in MEASURES},
                    **{f"{measure}_after": fared.after(measure) for measure in MEASURES},
                }
                for fared in self.broken
            ],
        }


def verdict_of(fared: Sequence[Fared], settings: Golden, unasked: Sequence[str], *, first: bool) -> Verdict:
    """Weigh how golden questions fare.

    Args:
        fared: every question that was asked.
        settings: as declared.
        unasked: labels of questions without a vector.
        first: whether there is no earlier publish.
    """
    compared = () if first else tuple(item for item in fared if item.kept)
    gone = tuple(item.label for item in fared if not item.kept and item.gone)
    return Verdict(compared, len(fared), gone, tuple(unasked), settings)


def _loss(fared: Fared) -> float:
    return fared.before("recall") - fared.after("recall") + fared.before("ndcg") - fared.after("ndcg")


class QualityFell(GateClosed):
    """Golden questions would fare worse: readers keep what they have. Its arguments are sentence, findings, figures."""

    @property
    def figures(self) -> dict[str, Any]:
        """Before and after, and the questions that broke."""
        return dict(self.args[2])


def broken_table(figures: dict[str, Any], most: int = 50) -> str:
    """Write the questions that broke as a table in Markdown.

    Args:
        figures: as recorded with a verdict.
        most: rows.
    """
    head = "| question | recall before | after | nDCG before | after |\n|---|---|---|---|---|\n"
    rows = "\n".join(
        f"| {cell(row['question'])} | {row['recall_before']:.2f} | {row['recall_after']:.2f} "
        f"| {row['ndcg_before']:.2f} | {row['ndcg_after']:.2f} |"
        for row in figures["broken"][:most]
    )
    more = len(figures["broken"]) - most
    return head + rows + (f"\n\nand {more} more" if more > 0 else "")


def cell(text: str) -> str:
    """Write a text so that it stays within its cell of a table in Markdown."""
    return " ".join(text.replace("|", "\\|").replace("`", "'").replace("<", "&lt;").split())
