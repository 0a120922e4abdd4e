"""Times a refresh side by side: cold, unchanged, and after two edited paragraphs.

    python benchmarks/refresh.py --only cocoindex,llamaindex,langchain --rounds 5

Every engine runs in an environment and a long-lived process of its own, on the same folder,
the same endpoint and the same PostgreSQL, one at a time. A round gives each engine its
three phases in turn; the order rotates from round to round, and the first rounds are thrown
away as warm-up. Before each turn the folder is put back to its first state. After each
phase the number of rows is checked, and after the edit that the new paragraphs are in the
table: an engine that is fast because it missed something stops the benchmark.

Needs nothing but the standard library; environments, database and folder are made once
below `.suimon/bench/`. How to add an engine: a script in `peers/` that follows
`peers/protocol.py`, its pinned requirements, and a line in `ENGINES`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
import venv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from corpus import SECTIONS_PER_FILE, edit_two_paragraphs, write_corpus

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
HARNESS = HERE / "requirements-harness.txt"
PHASES = ("cold", "noop", "edit")
BASELINE = "suimon"
EDITED = 2  # paragraphs, each in a file of its own
ROW_TOLERANCE = 0.05  # chunkers may differ this much from ten chunks a file
_QUIET = {
    "COCOINDEX_DISABLE_USAGE_TRACKING": "1",
    "DO_NOT_TRACK": "1",
    "LANGSMITH_TRACING": "false",
    "SCARF_NO_ANALYTICS": "true",
}

Answer: TypeAlias = dict[str, Any]


class BenchmarkError(Exception):
    """The benchmark cannot go on, or its figures would not mean anything."""


@dataclass(frozen=True)
class Contender:
    """One engine of the comparison.

    Attributes:
        name: As given to `--only`; also the name of its database.
        script: Its process, below `peers/`.
        requirements: Its pinned environment below `peers/`; None for the repository's own.
        package: The requirement whose version stands in the results.
        arguments: More arguments for the script.
    """

    name: str
    script: str
    requirements: str | None
    package: str | None = None
    arguments: tuple[str, ...] = ()


ENGINES = (
    Contender("cocoindex", "cocoindex_peer.py", "requirements-cocoindex.txt", "cocoindex"),
    Contender("llamaindex", "llamaindex_peer.py", "requirements-llamaindex.txt", "llama-index-core"),
    Contender(
        "llamaindex-durable",
        "llamaindex_peer.py",
        "requirements-llamaindex.txt",
        "llama-index-core",
        ("--durable",),
    ),
    Contender("langchain", "langchain_peer.py", "requirements-langchain.txt", "langchain-core"),
    Contender("suimon", "suimon_peer.py", None),
)


class Process:
    """A child that answers one line with one line."""

    def __init__(self, command: Sequence[str | Path], *, log: Path, timeout: float) -> None:
        self._log = log
        self._timeout = timeout
        with log.open("wb") as errors:
            self._child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | _QUIET,
            )

    def read_line(self) -> str:
        """The next line of its standard output.

        Raises:
            BenchmarkError: It ended, or said nothing for too long and was killed.
        """
        assert self._child.stdout is not None
        timer = threading.Timer(self._timeout, self._child.kill)
        timer.start()
        try:
            line = self._child.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            tail = self._log.read_text(errors="replace").strip().splitlines()[-8:]
            raise BenchmarkError(f"{self._log.stem} ended or hung:\n" + "\n".join(tail))
        return line.strip()

    def ask(self, line: str) -> Answer:
        """Send a line, read the answer."""
        assert self._child.stdin is not None
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()
        answer: Answer = json.loads(self.read_line())
        return answer

    def stop(self, *, politely: bool) -> None:
        """Close its input and wait, or terminate it."""
        assert self._child.stdin is not None
        if not politely:
            self._child.terminate()
        self._child.stdin.close()
        try:
            self._child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


@dataclass(frozen=True)
class Running:
    """What a run has at hand once everything is up."""

    peers: dict[str, Process]
    corpus: Path
    files: int
    pause: float

    def turn(self, name: str, round_number: int) -> list[Answer]:
        """One engine's three phases, checked."""
        peer = self.peers[name]
        time.sleep(self.pause)
        write_corpus(self.corpus, self.files)
        answers = [peer.ask("cold")]
        time.sleep(self.pause)
        answers.append(peer.ask("noop"))
        edit = edit_two_paragraphs(self.corpus, self.files, round_number)
        time.sleep(self.pause)
        answers.append(peer.ask(f"edit {edit.marker}"))
        self._check(name, answers)
        return answers

    def _check(self, name: str, answers: Sequence[Answer]) -> None:
        expected = self.files * SECTIONS_PER_FILE
        for answer in answers:
            if abs(answer["rows"] - expected) > ROW_TOLERANCE * expected:
                raise BenchmarkError(
                    f"{name} has {answer['rows']} rows after {answer['phase']}, expected about {expected}"
                )
        if (fresh := answers[-1]["rows_with_word"]) != EDITED:
            raise BenchmarkError(f"{name} shows {fresh} of {EDITED} edited paragraphs")


def environment(requirements: Path, folder: Path) -> Path:
    """The interpreter of a virtual environment with these requirements, made if need be."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp, python = folder / "requirements.sha256", folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == digest:
        return python
    print(f"making the environment for {requirements.name}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    # The files name every package with its hash, so nothing is left for pip to resolve.
    install = ["-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "-r"]
    command = [str(python), *install, str(requirements)]
    if subprocess.run(command, check=False).returncode != 0:
        raise BenchmarkError(f"pip could not install {requirements.name}; see above")
    stamp.write_text(digest)
    return python


@contextmanager
def started(contenders: Sequence[Contender], options: argparse.Namespace) -> Iterator[Running]:
    """Database, endpoint and engines, running; all stopped on exit."""
    state: Path = options.state.resolve()
    for folder in ("logs", "venvs"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    pythons = {one.name: _python_of(one, state) for one in contenders}
    harness = environment(HARNESS, state / "venvs" / "harness")
    corpus = state / "corpus"
    write_corpus(corpus, options.files)

    with ExitStack() as stack:

        def start(name: str, *command: str | Path, politely: bool = True) -> Process:
            log = state / "logs" / f"{name}.log"
            process = Process(command, log=log, timeout=options.timeout)
            stack.callback(process.stop, politely=politely)
            return process

        names = [one.name for one in contenders]
        database = start("database", harness, HERE / "database.py", "--data", state / "postgres", *names)
        uris = json.loads(database.read_line())
        endpoint = start(
            "endpoint",
            harness,
            HERE / "endpoint.py",
            f"--delay-ms-request={options.delay_ms_request}",
            f"--delay-ms-text={options.delay_ms_text}",
            politely=False,
        )
        port = int(endpoint.read_line())
        peers: dict[str, Process] = {}
        for one in contenders:
            own = state / "state" / one.name
            shutil.rmtree(own, ignore_errors=True)
            own.mkdir(parents=True)
            peers[one.name] = start(
                one.name,
                pythons[one.name],
                HERE / "peers" / one.script,
                f"--database={uris[one.name]}",
                f"--endpoint=http://127.0.0.1:{port}",
                f"--corpus={corpus}",
                f"--state={own}",
                *one.arguments,
            )
            while peers[one.name].read_line() != "ready":  # libraries may greet on import
                pass
        yield Running(peers, corpus, options.files, options.pause)


def _python_of(one: Contender, state: Path) -> Path:
    if one.requirements is None:
        python = REPOSITORY / ".venv" / "bin" / "python"
        if not python.exists():
            raise BenchmarkError(f"{one.name} runs in the repository's .venv, which is missing")
        return python
    requirements = HERE / "peers" / one.requirements
    return environment(requirements, state / "venvs" / requirements.stem)


def measure(contenders: Sequence[Contender], options: argparse.Namespace) -> dict[str, Any]:
    """Run the rounds and summarize them."""
    names = [one.name for one in contenders]
    taken: dict[str, list[list[Answer]]] = defaultdict(list)
    loads: list[float] = []
    with started(contenders, options) as running:
        for number in range(options.warmup + options.rounds):
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                answers = running.turn(name, number)
                note = " ".join(f"{one['phase']} {one['seconds']:.2f}" for one in answers)
                print(f"round {number - options.warmup + 1}: {name}: {note}", file=sys.stderr)
                if number >= options.warmup:
                    _take(taken, name, answers)
            loads.append(os.getloadavg()[0])
    return {
        "scenario": {
            "files": options.files,
            "chunks": options.files * SECTIONS_PER_FILE,
            "delay_ms_request": options.delay_ms_request,
            "delay_ms_text": options.delay_ms_text,
            "rounds": options.rounds,
        },
        "host": {
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "load_average_after_each_round": [round(load, 2) for load in loads],
        },
        "engines": {
            name: {"version": _version_of(one), "phases": _summarize(rounds)}
            for one in contenders
            for name, rounds in taken.items()
            if name.split(" ")[0] == one.name
        },
    }


def _take(taken: dict[str, list[list[Answer]]], name: str, answers: list[Answer]) -> None:
    """Keep a round; what an engine does that no other does is taken off, and shown in a row of its own."""
    apart = [sum(answer.get("engine", {}).get("apart", {}).values()) for answer in answers]
    if any(apart):
        taken[f"{name} (all)"].append(answers)
        answers = [
            answer | {"seconds": round(answer["seconds"] - off, 4)} for answer, off in zip(answers, apart, strict=True)
        ]
    taken[name].append(answers)


def _summarize(rounds: Sequence[Sequence[Answer]]) -> dict[str, Answer]:
    summary: dict[str, Answer] = {}
    for index, phase in enumerate(PHASES):
        answers = [answers[index] for answers in rounds]
        seconds = [answer["seconds"] for answer in answers]
        summary[phase] = {
            "median": round(statistics.median(seconds), 4),
            "min": min(seconds),
            "max": max(seconds),
            "seconds": seconds,
        } | {
            key: statistics.median_high(answer[key] for answer in answers)
            for key in ("texts_embedded", "requests", "most_in_flight", "largest_batch", "rows")
        }
        if any("engine" in answer for answer in answers):
            summary[phase]["engine"] = [answer["engine"] for answer in answers]
    return summary


def _version_of(one: Contender) -> str:
    if one.requirements is None:
        return "working tree"
    text = (HERE / "peers" / one.requirements).read_text()
    found = re.search(rf"(?m)^{one.package}(?:\[\w+\])?==(\S+)", text)
    return f"{one.package} {found[1]}" if found else "unknown"


def table(results: dict[str, Any]) -> str:
    """The results as text: medians, ranges, ratios to Suimon, texts embedded."""
    engines = results["engines"]
    lines = [f"{'engine':20}{'phase':7}{'median s':>10}{'min-max':>18}{'ratio':>8}{'texts':>8}"]
    for name, engine in engines.items():
        for phase, figures in engine["phases"].items():
            ratio = "-"
            if BASELINE in engines:
                own = engines[BASELINE]["phases"][phase]["median"]
                ratio = f"{figures['median'] / own:.2f}"
            span = f"{figures['min']:.3f}-{figures['max']:.3f}"
            lines.append(
                f"{name:20}{phase:7}{figures['median']:>10.3f}{span:>18}{ratio:>8}{figures['texts_embedded']:>8}"
            )
    return "\n".join(lines)


def _choose(text: str) -> list[Contender]:
    known = {one.name: one for one in ENGINES}
    try:
        return [known[name] for name in text.split(",")]
    except KeyError as error:
        raise BenchmarkError(f"no engine {error}: choose from {', '.join(known)}") from None


def main() -> int:
    """Parse the arguments, run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="cocoindex,llamaindex,langchain,suimon")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=1, help="rounds thrown away")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--delay-ms-request", type=float, default=50.0)
    parser.add_argument("--delay-ms-text", type=float, default=0.5)
    parser.add_argument("--pause", type=float, default=0.3, help="seconds before each phase")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one phase")
    parser.add_argument("--state", type=Path, default=REPOSITORY / ".suimon" / "bench")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "refresh.json")
    options = parser.parse_args()
    try:
        results = measure(_choose(options.only), options)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
