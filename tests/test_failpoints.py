"""Every failpoint, interrupted in every way: the next run makes the table whole, and nothing stays behind.

All four ways of dying with SUIMON_CHAOS=long; by default the worker's death (the model test raises at some).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from resources import failpoints
from resources.failpoints import REGISTRY
from tests.chaos.job import ACTIONS, Action
from tests.chaos.scenes import Scenes, shared_scenes, work_of
from tests.chaos.world import Verdict

WAYS = ACTIONS if os.environ.get("SUIMON_CHAOS") == "long" else ACTIONS[:1]
SIDE_BY_SIDE = 3
"""Cases under way at once: each waits for a dead holder's lease for a while."""


class Cases:
    """The cases of this session, begun side by side before their tests ask for them."""

    def __init__(self, scenes: Scenes, chosen: list[tuple[str, Action]]) -> None:
        """Begin all but the deaths of the server, which every case would share."""
        self._scenes = scenes
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE)
        for work in {work_of(point) for point, _ in chosen}:
            scenes.scene(work)
        self._begun: dict[tuple[str, Action], Future[Verdict]] = {
            (point, action): self._pool.submit(self._run, point, action)
            for point, action in chosen
            if action != "postmaster"
        }

    def _run(self, point: str, action: Action) -> Verdict:
        return self._scenes.world.run(self._scenes.scene(work_of(point)).case(action, point))

    def verdict(self, point: str, action: Action) -> Verdict:
        """Return what came of a case."""
        begun = self._begun.get((point, action))
        return begun.result() if begun else self._run(point, action)

    def close(self) -> None:
        """Begin no more."""
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def cases(request: pytest.FixtureRequest) -> Iterator[Cases]:
    """The cases whose tests were chosen."""
    calls = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    chosen = [(call["point"], call["action"]) for call in calls if {"point", "action"} <= call.keys()]
    made = Cases(shared_scenes(request.config), chosen)
    yield made
    made.close()


@pytest.mark.parametrize("point", REGISTRY)
@pytest.mark.parametrize("action", WAYS)  # The server's death comes last, when nothing else is under way.
def test_a_run_that_is_interrupted_is_made_whole_by_the_next(cases: Cases, point: str, action: Action) -> None:
    verdict = cases.verdict(point, action)
    assert verdict.struck, f"{point} is never reached"
    assert verdict.problems == []


@pytest.mark.parametrize("point", REGISTRY)
def test_somebody_says_what_reaches_every_failpoint(point: str) -> None:
    assert work_of(point)


def test_a_failpoint_that_nobody_registered_is_refused() -> None:
    failpoints.install(lambda name: None)
    try:
        with pytest.raises(LookupError, match="registry"):
            failpoints.reach("vectors.forgotten")
    finally:
        failpoints.install(None)


def test_a_failpoint_does_nothing_by_itself() -> None:
    failpoints.reach("publication.committing")
