"""Real processes that refresh or have documents described, forked from one that has imported what is slow.

A test starts a job, holds it at failpoints, stops it, kills it, and reads how it ended. As a program, this
module is the process that forks: it reads jobs from its standard input and prints the number of each child.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 90.0
"""Seconds that a test waits at most for what is sure to come: the machine may be busy."""


def until(condition: Callable[[], Any], what: str) -> Any:
    """Poll until a condition holds, and return what it gave."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.02)
    return found


@dataclass(frozen=True)
class Job:
    """A refresh, or another run, in a process of its own.

    Attributes:
        folder: where the process and the test meet.
        dsn: of the database.
        collections: settings by name.
        space: settings of the space `small`.
        name: the collection to refresh.
        run_id: names the refresh.
        lease_seconds: how long its lease outlives it.
        wait_seconds: how long it waits for another one's lease.
        further: settings of other spaces, by name.
        points: what it does at a failpoint, once: `hold` until it is let go, `stop`, or `kill`.
        llm: settings of the language model; where there are any, the run has documents described, and no other.
    """

    folder: str
    dsn: str
    collections: dict[str, dict[str, Any]]
    space: dict[str, Any]
    name: str
    run_id: str
    lease_seconds: float = 30.0
    wait_seconds: float = 45.0
    points: dict[str, str] = field(default_factory=dict)
    further: dict[str, dict[str, Any]] = field(default_factory=dict)
    llm: dict[str, Any] | None = None


@dataclass(frozen=True)
class Process:
    """A job under way, as the test sees it."""

    job: Job
    pid: int

    @property
    def _folder(self) -> Path:
        return Path(self.job.folder)

    @property
    def alive(self) -> bool:
        """Whether it still runs, or is stopped."""
        try:
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def reaches(self, point: str) -> None:
        """Wait until it is at a failpoint, and stopped there if it was told to."""
        until(lambda: (self._folder / f"{point}.reached").exists() or not self.alive, f"{self.job.run_id} at {point}")
        if self.job.points.get(point) == "stop":
            until(lambda: psutil.Process(self.pid).status() == psutil.STATUS_STOPPED, f"{self.job.run_id} to stop")
        assert (self._folder / f"{point}.reached").exists(), self.result()

    def let_go(self, point: str) -> None:
        """Let it go on from a failpoint at which it is held."""
        (self._folder / f"{point}.go").touch()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; after SIGKILL, wait until it is gone."""
        os.kill(self.pid, number)
        if number == signal.SIGKILL:
            until(lambda: not self.alive, f"{self.job.run_id} to die")

    def result(self) -> dict[str, Any]:
        """Wait for its end and return how it ended: `error` (empty if all went well), `message`, `code`, `counts`."""
        path = self._folder / "result.json"
        until(lambda: path.exists() or not self.alive, f"{self.job.run_id} to end")
        assert path.exists(), f"{self.job.run_id} died"
        until(lambda: not self.alive, f"{self.job.run_id} to be gone")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found


class Nursery:
    """The process that forks the others."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._children: list[Process] = []

    def start(self, job: Job) -> Process:
        """Begin a job."""
        Path(job.folder).mkdir(parents=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        child = Process(job, int(self._process.stdout.readline()))
        self._children.append(child)
        return child

    def clear(self) -> None:
        """End what a test left."""
        for child in self._children:
            if child.alive:
                child.signal(signal.SIGKILL)
        self._children.clear()


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Run the process that forks the others, for as long as the block lasts."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.processes"],
        cwd=ROOT,
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        made = Nursery(process)
        try:
            yield made
        finally:
            made.clear()


def _main() -> None:
    import assets.engine
    import assets.profiles.stage  # noqa: F401  # What every child needs, and what takes seconds.
    from tests.fakes import counted_audits

    counted_audits.stand_in()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _child(Job(**json.loads(line)))
        print(pid, flush=True)  # noqa: T201  # That is how it answers.


def _child(job: Job) -> None:
    from resources import failpoints
    from resources.errors import SuimonError

    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nowhere, descriptor)
    os.environ["TMPDIR"] = job.folder
    ended: dict[str, Any] = {"error": "", "message": "", "code": 0, "counts": {}}
    try:
        failpoints.install(_hook(job))
        ended["counts"] = _refresh(job)
    except Exception as error:
        code = error.exit_code if isinstance(error, SuimonError) else 1
        ended |= {"error": type(error).__name__, "message": str(error), "code": code}
    finally:
        path = Path(job.folder) / "result.part"
        path.write_text(json.dumps(ended), encoding="utf-8")
        path.rename(path.with_suffix(".json"))
        os._exit(0)


def _hook(job: Job) -> Callable[[str], None]:
    left = dict(job.points)

    def reached(point: str) -> None:
        action = left.pop(point, None)
        if action is None:
            return
        (Path(job.folder) / f"{point}.reached").touch()
        if action == "hold":
            until((Path(job.folder) / f"{point}.go").exists, f"leave to go on from {point}")
        else:
            os.kill(os.getpid(), signal.SIGSTOP if action == "stop" else signal.SIGKILL)

    return reached


def _refresh(job: Job) -> dict[str, dict[str, int]]:
    from assets.engine import refresh_collection
    from assets.llm import Llm
    from assets.profiles.stage import make_profiles
    from assets.settings import Collection, Space
    from assets.workbench import Doors, Workbench

    bench = Workbench(
        collections={name: Collection.model_validate(found) for name, found in job.collections.items()},
        spaces={name: Space.model_validate(found) for name, found in ({"small": job.space} | job.further).items()},
        root=Path(job.folder),
        doors=Doors(lambda: job.dsn, lambda: str(job.space["base_url"])),
        state_folder=Path(job.folder) / "state",
        lease_seconds=job.lease_seconds,
        lease_wait_seconds=job.wait_seconds,
        parsers=1,
    )
    try:
        if job.llm is not None:
            bench.llm = Llm.model_validate(job.llm)
            return {"profiles": make_profiles(bench, job.name, job.run_id)[0].counts}
        summary = refresh_collection(bench, job.name, job.run_id)
    finally:
        bench.close()
    return {stage: report.counts for stage, report in summary.reports.items()}


if __name__ == "__main__":
    _main()
