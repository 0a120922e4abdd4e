"""Small fixed beginnings for the failpoints: one for each function of the product that reaches any."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from resources.failpoints import STAGES
from tests.chaos.corpus import write
from tests.chaos.job import GOLDEN, Action, Strike, Work
from tests.chaos.world import MIGRATED, Case, Outcome, World, shared

REACHED_BY: dict[str, Work] = {
    "refresh": "refresh",
    **dict.fromkeys(STAGES, "refresh"),
    "golden": "refresh",
    "profiles": "profile",
    "rollback": "rollback",
    "sweep": "sweep",
}
"""The function that reaches a failpoint, by the first word of its name."""


def work_of(point: str) -> Work:
    """Return the function that reaches a failpoint.

    Raises:
        LookupError: nobody has said which.
    """
    prefix = point.partition(".")[0]
    if prefix not in REACHED_BY:
        raise LookupError(
            f"nobody says what reaches {point}: add {prefix!r} to REACHED_BY in tests/chaos/scenes.py, and a scene "
            "for it if it is a new function"
        )
    return REACHED_BY[prefix]


@dataclass(frozen=True)
class Scene:
    """A beginning, and where it must lead.

    Attributes:
        template: database to begin with.
        source: the documents.
        former: the documents as they were published before.
        before: what readers see at first.
        oracle: what they must see in the end.
        twin: what the function reaches without interruption.
        work: the function.
    """

    template: str
    source: Path
    former: Path
    before: str
    oracle: str
    twin: Outcome
    work: Work

    def case(self, action: Action, point: str, *, earnest: bool = False, sabotage: str = "") -> Case:
        """Return the case in which one failpoint is struck."""
        return Case(
            self.template, self.source, (self.before,), self.oracle, self.twin, (Strike(action, point),),
            work=self.work, earnest=earnest, small_batches=False, sabotage=sabotage,
        )  # fmt: skip


def _first(folder: Path) -> None:
    write(
        folder, "gate.md", "# Gate\n\nThe gate is opened when the water is high.\n\n## Checks\n\nGrease the hinges.\n"
    )
    write(folder, "tides.txt", "High tide is at six. Low tide is at noon.\n")
    write(folder, "old.txt", "The old pump stands in the shed and waits to be sold.\n")
    write(folder, "水門.md", "# 水門\n\n水位が高いときは水門を開ける。点検は毎月行う。\n")
    write(folder, GOLDEN, '{"question": "when is the gate opened", "answers": ["gate.md"]}\n')


def _second(folder: Path) -> None:
    write(folder, "gate.md", "# Gate\n\nThe gate is shut when the water is low.\n\n## Checks\n\nPaint the hinges.\n")
    write(folder, "水門.md", "# 水門\n\n水位が低いときは水門を閉じる。点検は毎週行う。\n")
    write(folder, "新しい.txt", "新しい堤防の見回りは夜に行う。\n")
    write(folder, "blank.txt", " \n")
    (folder / "tides.txt").rename(folder / "times.txt")
    (folder / "old.txt").unlink()
    write(folder, GOLDEN, '{"question": "when is the gate shut", "answers": ["gate.md"]}\n')


_shared: list[Scenes] = []


def shared_scenes(config: pytest.Config) -> Scenes:
    """Return the scenes that all tests of a session share."""
    if not _shared:
        _shared.append(Scenes(shared(config)))
    return _shared[0]


class Scenes:
    """Scenes, each made when it is first asked for."""

    def __init__(self, world: World) -> None:
        """Prepare nothing yet."""
        self.world = world
        self._source = world.folder / "scenes" / "source"
        self._former = world.folder / "scenes" / "former"
        self._made: dict[Work, Scene] = {}
        self._before: Outcome | None = None
        self._after: Outcome | None = None

    def scene(self, work: Work) -> Scene:
        """Return the scene of a function."""
        if work not in self._made:
            makers: dict[Work, Callable[[], Scene]] = {
                "refresh": self._refresh, "profile": self._profile, "rollback": self._rollback, "sweep": self._sweep,
            }  # fmt: skip
            self._made[work] = makers[work]()
        return self._made[work]

    def _refresh(self) -> Scene:
        for folder in (self._source, self._former):
            folder.mkdir(parents=True)
            _first(folder)
        self._before = self.world.settle("scene_before", MIGRATED, self._source, keep=True)
        _second(self._source)
        self._after = self.world.settle("scene_after", "scene_before", self._source, keep=True)
        oracle = self.world.oracle(self._source)
        return Scene("scene_before", self._source, self._former, self._before.state, oracle, self._after, "refresh")

    def _published_twice(self) -> tuple[Outcome, Outcome]:
        self.scene("refresh")
        assert self._before is not None, "made with the scene"
        assert self._after is not None, "made with the scene"
        return self._before, self._after

    def _profile(self) -> Scene:
        """One document waits, about which there are several questions: readers see it described, or not."""
        self._published_twice()
        source = self._source.with_name("long")
        shutil.copytree(self._source, source)
        paragraphs = (f"The pump {number} is greased by night.\n\n" for number in range(900))
        write(source, "long.txt", "".join(paragraphs))
        settle = self.world.settle
        settle("scene_described", "scene_after", self._source, work="profile", keep=True)
        before = settle("scene_long", "scene_described", source, keep=True)
        twin = settle("twin_profile", "scene_long", source, work="profile")
        settle("oracle_long", MIGRATED, source, keep=True)
        oracle = settle("oracle_profile", "oracle_long", source, work="profile").state
        return Scene("scene_long", source, self._former, before.state, oracle, twin, "profile")

    def _rollback(self) -> Scene:
        before, after = self._published_twice()
        twin = self.world.settle("twin_rollback", "scene_after", self._source, work="rollback")
        return Scene("scene_after", self._source, self._former, after.state, before.state, twin, "rollback")

    def _sweep(self) -> Scene:
        _, after = self._published_twice()
        twin = self.world.settle("twin_sweep", "scene_after", self._source, work="sweep")
        return Scene("scene_after", self._source, self._former, after.state, after.state, twin, "sweep")
