"""Seeded kills at random moments, biased to commits."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.util import Finalize
from pathlib import Path

from tests.chaos import corpus
from tests.chaos.job import Action, Strike
from tests.chaos.world import FIRST, MIGRATED, Case, Moment, Outcome, Verdict, World

PUBLISHED = "published"
"""Template: a corpus that was published twice, so that there is something to revert to."""

DOCUMENTS = 8
NEAR_COMMITS = ("writing", "committing", "committed", "written", "heads_moved", "heads_removed", "claimed", "answered")
WEIGHT = 8
"""How much likelier a failpoint beside a commit is than another."""

ACTIONS: dict[Action, int] = {"kill": 2, "terminate": 1, "postmaster": 1}
EARNEST = 0.06
LATER = 0.25
"""Share of seeds in which the documents change once more before the run that follows."""


@dataclass(frozen=True)
class SeedResult:
    """What came of a seed.

    Attributes:
        seed: makes it again.
        edits: what was done to the documents.
        interruptions: what was planned.
        verdict: what happened.
        seconds: how long it took.
    """

    seed: int
    edits: tuple[str, ...]
    interruptions: tuple[Strike | Moment, ...]
    verdict: Verdict
    seconds: float


class Seeds:
    """Runs seeds in a world."""

    def __init__(self, world: World, *, earnest: float = EARNEST) -> None:
        """Publish the corpus that most seeds begin with.

        Args:
            world: for all seeds.
            earnest: share of seeds in which nothing is replaced by something quicker.
        """
        self.world = world
        self._earnest = earnest
        rng = random.Random("the corpus that all seeds share")
        self.current = world.folder / "seeds" / "current"
        self.former = world.folder / "seeds" / "former"
        corpus.plant(self.current, rng, DOCUMENTS)
        shutil.copytree(self.current, self.former)
        world.settle("published_once", MIGRATED, self.current, keep=True)
        for _ in range(4):
            corpus.edit(self.current, rng, None)
        self.published = world.settle(PUBLISHED, "published_once", self.current, keep=True)

    def run(self, seed: int) -> SeedResult:
        """Edit, interrupt, run again, compare."""
        started = time.monotonic()
        rng = random.Random(seed)
        source = self.world.folder / "seeds" / str(seed)
        first = rng.random() < 0.2
        edits: tuple[str, ...] = ("plant",)
        if first:
            corpus.plant(source, rng, DOCUMENTS)
        else:
            shutil.copytree(self.current, source)
            edits = tuple(corpus.edit(source, rng, self.former) for _ in range(rng.randint(1, 6)))
        template = MIGRATED if first else PUBLISHED
        with ThreadPoolExecutor(1) as aside:
            oracle = aside.submit(self.world.oracle, source)
            twin = self.world.settle(f"twin_{seed}", template, source)
            case = self._case(rng, template, source, twin, oracle.result())
        if rng.random() < LATER:
            case, further = self._later(rng, case)
            edits = (*edits, "then", *further)
        try:
            verdict = self.world.run(case)
        except Exception as error:  # The seeds that follow have a database of their own.
            verdict = Verdict([f"the comparison itself failed: {type(error).__name__}: {error}"])
            self.world.server.revive()
        for folder in (case.source, case.later[0] if case.later else case.source):
            shutil.rmtree(folder, ignore_errors=True)
        return SeedResult(seed, edits, case.interruptions, verdict, time.monotonic() - started)

    def _later(self, rng: random.Random, case: Case) -> tuple[Case, tuple[str, ...]]:
        """Have the documents change once more between the interruption and the next run."""
        source = case.source.with_name(f"{case.source.name}-later")
        shutil.copytree(case.source, source)
        edits = tuple(corpus.edit(source, rng, self.former) for _ in range(rng.randint(1, 4)))
        return replace(case, later=(source, self.world.oracle(source))), edits

    def _case(self, rng: random.Random, template: str, source: Path, twin: Outcome, oracle: str) -> Case:
        before = FIRST if template == MIGRATED else (self.published.state,)
        earnest = rng.random() < self._earnest
        interruptions = [_interruption(rng, twin)]
        if rng.random() < 0.2:  # The run that follows is struck as well; what it will reach is not known.
            interruptions.append(_moment(rng, twin))
        return Case(
            template, source, before, oracle, twin, tuple(interruptions),
            earnest=earnest, endpoint_seconds=rng.choice((0.0, 0.005, 0.03)),
        )  # fmt: skip


def _interruption(rng: random.Random, twin: Outcome) -> Strike | Moment:
    if rng.random() < 0.3:
        return _moment(rng, twin)
    counts: Counter[str] = Counter()
    places = []
    for name in twin.reached:
        counts[name] += 1
        places.append((name, counts[name]))
    weights = [WEIGHT if name.endswith(NEAR_COMMITS) else 1 for name, _ in places]
    point, nth = rng.choices(places, weights=weights)[0]
    delay = 0.0 if rng.random() < 0.5 else rng.uniform(0, 0.004)
    return Strike(_action(rng), point, nth, delay)


def _moment(rng: random.Random, twin: Outcome) -> Moment:
    return Moment(_action(rng), rng.uniform(0, twin.seconds), "one" if rng.random() < 0.5 else "all")


def _action(rng: random.Random) -> Action:
    return rng.choices(list(ACTIONS), weights=list(ACTIONS.values()))[0]


_runners: list[Seeds] = []


def begin() -> None:
    """Make a world for this process, which ends with it."""
    world = World()
    Finalize(None, world.close, exitpriority=10)  # What atexit is to a process of a pool.
    _runners.append(Seeds(world))


def run_one(seed: int) -> SeedResult:
    """Run a seed in the world of this process."""
    return _runners[0].run(seed)
