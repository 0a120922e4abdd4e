"""Kill it anywhere: `python -m tests.chaos --seeds 200`, `--seed 17` to replay one, `--failpoints` for all of them."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from resources.failpoints import REGISTRY
from tests.chaos.job import ACTIONS
from tests.chaos.scenes import Scenes, work_of
from tests.chaos.seeds import SeedResult, begin, run_one
from tests.chaos.world import Verdict, World

PROGRESS = 20
"""Seeds after which a line says how far it is."""


def main() -> int:
    """Run what is asked for; returns 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds, from 1")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--failpoints", action="store_true", help="every failpoint with every action first")
    parser.add_argument("--jobs", type=int, default=1, help="how many worlds side by side")
    chosen = parser.parse_args()
    seeds = [chosen.seed] if chosen.seed is not None else range(1, chosen.seeds + 1)
    failed = _failpoints() if chosen.failpoints else 0
    # A world a process: none of them has threads when it starts another.
    with ProcessPoolExecutor(chosen.jobs, multiprocessing.get_context("spawn"), initializer=begin) as pool:
        failed += _random(pool.map(run_one, seeds))
    return 1 if failed else 0


def _failpoints() -> int:
    world = World()
    try:
        return _every_failpoint(Scenes(world))
    finally:
        world.close()


def _every_failpoint(scenes: Scenes) -> int:
    failed = 0
    for point in REGISTRY:
        for action in ACTIONS:
            verdict = scenes.world.run(scenes.scene(work_of(point)).case(action, point))
            problems = verdict.problems + ([] if verdict.struck else ["it is never reached"])
            failed += bool(problems)
            for problem in problems:
                _say(f"{action} at {point}: {problem}")
    _say(f"failpoints: {len(REGISTRY)}, each with {', '.join(ACTIONS)}; {failed} failed")
    return failed


def _random(coming: Iterable[SeedResult]) -> int:
    results = []
    for result in coming:
        results.append(result)
        if result.verdict.problems:
            seed = result.seed
            planned = "; ".join(map(str, result.interruptions))
            _say(f"seed {seed} failed ({', '.join(result.edits)}; {planned}); replay it with: make chaos SEED={seed}")
            for problem in result.verdict.problems:
                _say(f"    {problem}")
        if len(results) % PROGRESS == 0:
            _say(f"... {len(results)} seeds, {sum(bool(one.verdict.problems) for one in results)} failed")
    _summarise(results)
    return sum(bool(result.verdict.problems) for result in results)


def _summarise(results: list[SeedResult]) -> None:
    verdicts: list[Verdict] = [result.verdict for result in results]
    struck = [one for verdict in verdicts for one in verdict.struck]
    planned = sum(len(result.interruptions) for result in results)
    kinds = Counter(one.split()[0] for one in struck)
    fell = Counter(one.rpartition("past ")[2] for one in struck)
    seconds = sorted(result.seconds for result in results)
    _say(f"seeds: {len(results)}, of which failed: {sum(bool(verdict.problems) for verdict in verdicts)}")
    _say(f"interruptions: {len(struck)} of {planned} planned fell while the worker lived")
    _say("by kind: " + ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()))
    _say("last failpoint before: " + ", ".join(f"{point} {count}" for point, count in fell.most_common()))
    most = max((verdict.twice for verdict in verdicts), default=0)
    twice = sum(verdict.twice for verdict in verdicts)
    _say(f"texts sent: {sum(verdict.texts for verdict in verdicts)}; sent twice: {twice}, at most {most} in a seed")
    states = sum(verdict.states for verdict in verdicts)
    _say(f"reads: {sum(verdict.reads for verdict in verdicts)}; distinct states: {states}")
    _say(f"seconds a seed: median {seconds[len(seconds) // 2]:.1f}, longest {seconds[-1]:.1f}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
