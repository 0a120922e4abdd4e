"""The part of the gate that asks golden questions: before the publish it prepares, inside it is SQL alone."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from assets.quality.asking import asker_of, ensure_golden_vectors
from assets.quality.golden import GoldenSet, read_golden
from assets.quality.verdict import Fared, QualityFell, Verdict, verdict_of
from assets.refresh import Refresh
from assets.vectors.spaces import KeptSpace, KnownSpace
from resources import failpoints
from resources.errors import BudgetReached, ConfigurationError, EndpointRefused, EndpointUnavailable


@dataclass
class Guard:
    """Holds a publish to the figures of the last one, in every space in which all of it is published.

    Attributes:
        refresh: that publishes.
        golden: the questions; None where the collection declares none.
        spaces: in which they are asked, the live one first.
        unasked: for each space labels of questions that have no vector there.
        engine: digest of what searches.
        verdicts: by space, of the last attempt to publish.
        accepted: whether a person let a worse one through.
    """

    refresh: Refresh
    golden: GoldenSet | None
    spaces: Sequence[KnownSpace]
    unasked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    engine: str = ""
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    accepted: bool = False

    def hold(self, publish_id: int, demanded: Collection[str]) -> None:
        """Inside the publish, when all has moved: ask what would become visible, and take it back if it is worse.

        Args:
            publish_id: the publish under way.
            demanded: names of the spaces that it is shown in.

        Raises:
            QualityFell: golden questions would fare worse than the collection tolerates, and nobody accepted it.
        """
        self.verdicts, self.accepted = {}, False
        if self.golden is None:
            return
        for space in self.spaces:
            if space.name in demanded:
                self.verdicts[space.name] = self._judge(self.golden, space, publish_id)
        if any(verdict.fallen for verdict in self.verdicts.values()):
            self._ask_a_person()

    def _judge(self, golden: GoldenSet, space: KnownSpace, publish_id: int) -> Verdict:
        session, params = self.refresh.session, self.params(golden, space, publish_id)
        before_id = session.value("quality/read_judged_publish", params)
        with readable_filters(self.refresh.name, golden):
            session.execute("quality/keep_figures", params)
        failpoints.reach("golden.judged")
        compared = params | {"before_id": before_id, "after_id": publish_id}
        fared = session.rows(Fared, "quality/compare_figures", compared)
        session.execute("quality/forget_figures", params)
        return verdict_of(fared, golden.settings, self.unasked[space.name], first=before_id is None)

    def _ask_a_person(self) -> None:
        refresh, bench = self.refresh, self.refresh.bench
        fallen = {name: verdict for name, verdict in self.verdicts.items() if verdict.fallen}
        name, verdict = next(iter(fallen.items()))
        where = "" if len(self.verdicts) == 1 else f"in space {name} "
        sentence = where + verdict.sentence(refresh.name, refresh.run_id)
        if not bench.accept_quality:
            pass
        elif not bench.because.strip():
            sentence += "; --accept-quality wants a reason: give one with --because, or the tag suimon/because"
        else:
            self.accepted = True
            seen = {name: verdict.figures() for name, verdict in fallen.items()}
            given = {
                "kind": "quality",
                "run_id": refresh.run_id,
                "by": bench.asked_by,
                "because": bench.because.strip(),
            }
            refresh.session.execute(
                "publication/record_confirmation", refresh.params | given | {"seen": json.dumps(seen)}
            )
            return
        raise QualityFell(
            f"{refresh.name} was not published: {sentence}.", {"quality_fell": sentence}, verdict.figures()
        )

    def figures(self) -> dict[str, Any] | None:
        """Return what is recorded with the gate's verdict, by space; None where nothing was asked."""
        if not self.verdicts:
            return None
        return {
            name: verdict.figures() | {"accepted": self.accepted and bool(verdict.fallen)}
            for name, verdict in self.verdicts.items()
        }

    def counts(self) -> dict[str, int]:
        """Return what the stage reports, of the live space."""
        if not self.verdicts:
            return {}
        verdict = next(iter(self.verdicts.values()))
        return {
            "questions_asked": verdict.judged,
            "questions_compared": len(verdict.compared),
            "questions_worse": len(verdict.broken),
            "questions_gone": len(verdict.gone),
            "questions_without_vector": len(verdict.unasked),
        }

    def params(self, golden: GoldenSet, space: KnownSpace, publish_id: int) -> dict[str, Any]:
        """Return what the statements of a judgement take.

        Args:
            golden: the questions.
            space: in which they are asked.
            publish_id: with which figures are kept.
        """
        return self.refresh.params | {
            "publish_id": publish_id,
            "space_id": space.space_id,
            "space": space.name,
            "collection": self.refresh.name,
            "k": golden.settings.k,
            "questions": golden.asked(self.engine),
        }


HOLDS_NOTHING_UP = (EndpointUnavailable, EndpointRefused, BudgetReached)
"""What may go wrong with the questions in a space that is being filled: the next refresh goes on."""


def prepare_guard(refresh: Refresh, kept: Sequence[KeptSpace]) -> Guard:
    """Before the publish: embed the questions that are new, and know how all of them fare with what readers see.

    Figures of the present publish are kept with it. They are missing where the questions, or what searches, changed
    since, or where a rollback made it: the questions are asked then, of what readers see now.

    In a space that is being filled they are embedded too: early, and by the model as it was when its vectors were made.

    Args:
        refresh: that publishes.
        kept: the spaces, the live one first.

    Raises:
        ConfigurationError: a filter of a question cannot be applied.
        EndpointUnavailable: questions are new, and the endpoint did not answer in time.
        BudgetReached: questions are new, and what a run or a day may cost is spent.
    """
    golden = read_golden(refresh.bench.root, refresh.settings, refresh.name)
    spaces = [space for space in kept if space.demanded]
    guard = Guard(refresh, golden, spaces)
    if golden is None:
        return guard
    for space in spaces:
        guard.unasked[space.name] = ensure_golden_vectors(asker_of(refresh), golden, space)
    for space in kept:
        if not space.demanded:
            with suppress(*HOLDS_NOTHING_UP):
                ensure_golden_vectors(asker_of(refresh), golden, space)
    failpoints.reach("golden.ready")
    guard.engine = str(refresh.session.value("quality/read_engine"))
    newest = refresh.session.records("quality/read_newest_publish", refresh.params)
    for space in spaces if newest else ():
        params = guard.params(golden, space, newest[0]["publish_id"])
        if refresh.session.value("quality/count_unjudged", params):
            with refresh.writing(), readable_filters(refresh.name, golden):
                refresh.session.execute("quality/keep_figures", params)
                refresh.session.execute("quality/forget_figures", params)
    return guard


@contextmanager
def readable_filters(name: str, golden: GoldenSet) -> Iterator[None]:
    """Say in a sentence that a question's filter does not fit the collection.

    Args:
        name: the collection.
        golden: its questions.

    Raises:
        ConfigurationError: it does not.
    """
    try:
        yield
    except psycopg.errors.InvalidParameterValue as error:
        said, hint = error.diag.message_primary or "", error.diag.message_hint or ""
        if not said.startswith("filter: "):
            raise
        detail = said.removeprefix("filter: ")
        raise ConfigurationError(
            f"A filter in {golden.settings.file} cannot be applied to {name}: {detail}. {hint}".strip()
        ) from None
