"""Isolation: whatever a file does to its parser, it costs itself alone and reaches nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from resources.parser_pool import Outcome, ParserPool, Task
from resources.programs import ProgramFailed, ProgramTimeout, run_program
from resources.sandbox import network_isolation

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    """Two workers that do what a test asks for."""
    made = ParserPool("tests.fakes.parsers:behave", preload=(), processes=2)
    yield made
    made.close()


def ask(
    pool: ParserPool, deeds: Iterable[tuple[str, Any]], *, seconds: float = 60, memory_mb: int = 512
) -> dict[int, Outcome]:
    """Let workers do some deeds; returns the outcomes by position."""
    tasks = [Task(number, deed) for number, deed in enumerate(deeds)]
    return {outcome.key: outcome for outcome in pool.map(tasks, seconds=seconds, memory_mb=memory_mb)}


def ends(pid: int) -> bool:
    """Tell whether a process that would stay for minutes is dead within moments; nobody need have reaped it."""
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize(
    ("deed", "failure", "detail"),
    [
        (("exit", 3), "crashed", "exit 3"),
        (("leave", 4), "crashed", "exit 4"),
        (("stay", None), "timeout", "1 s"),
        (("hoard", 900), "memory", "512 MiB"),
        (("raise", "the gate code is 4711"), "error", "ValueError in parsers.py:"),
        (("hold", "password_protected"), "refused", "password_protected"),
        (("hold", "the gate code is 4711"), "error", "Held in parsers.py:"),
        (("misread", b"\xff"), "error", "UnicodeDecodeError in parsers.py:"),
        (("kill", signal.SIGSEGV), "crashed", "signal 11"),
        (("kill", signal.SIGKILL), "crashed", "signal 9"),
        (("hold unpicklably", 400), "memory", "512 MiB"),
        (("write", 1500), "output", "too large"),
        (("recurse", 0), "error", "RecursionError in parsers.py:"),
        (("unpicklable", None), "error", "TypeError in "),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_bad_task_costs_itself_alone(pool: ParserPool, deed: tuple[str, Any], failure: str, detail: str) -> None:
    deeds = [*(("echo", number) for number in range(4)), deed, *(("echo", number) for number in range(5, 9))]
    outcomes = ask(pool, deeds, seconds=1 if failure == "timeout" else 60)
    bad = outcomes.pop(4)
    assert (bad.value, bad.failure) == (None, failure)
    assert bad.detail.startswith(detail)
    assert "4711" not in bad.detail
    assert {key: outcome.value for key, outcome in outcomes.items()} == {n: n for n in (0, 1, 2, 3, 5, 6, 7, 8)}
    assert {outcome.failure for outcome in outcomes.values()} == {None}


def test_many_bad_tasks_side_by_side_cost_themselves_alone(pool: ParserPool) -> None:
    deeds = [("exit", 3) if number % 3 else ("echo", number) for number in range(12)]
    outcomes = ask(pool, deeds)
    assert [outcomes[number].value for number in range(0, 12, 3)] == [0, 3, 6, 9]
    assert sum(outcome.failure == "crashed" for outcome in outcomes.values()) == 8


def test_a_worker_that_died_while_idle_costs_no_task(pool: ParserPool) -> None:
    idle = {outcome.value for outcome in ask(pool, [("pid", None)] * 8).values()}
    for pid in idle:
        process = psutil.Process(pid)
        os.kill(pid, signal.SIGKILL)
        # Reaped by the fork server.
        psutil.wait_procs([process], timeout=20)
    assert [outcome.failure for outcome in ask(pool, [("echo", 1), ("echo", 2)]).values()] == [None, None]


def test_an_answer_that_is_too_large_is_not_taken_in(pool: ParserPool) -> None:
    outcome = ask(pool, [("answer at length", 600)], memory_mb=4096)[0]
    assert (outcome.value, outcome.failure) == (None, "output")


@pytest.mark.parametrize("deed", ["spin", "stay"])
def test_time_runs_out_even_when_nobody_waits(pool: ParserPool, deed: str) -> None:
    outcomes = pool.map([Task("first", ("echo", 1)), Task("last", (deed, None))], seconds=1, memory_mb=512)
    assert next(outcomes).key == "first"
    (busy,) = [psutil.Process(worker.process.pid) for worker in pool._workers if worker.task is not None]
    gone, _ = psutil.wait_procs([busy], timeout=20)
    assert gone == [busy]
    assert [(outcome.key, outcome.failure) for outcome in outcomes] == [("last", "timeout")]


def test_processor_time_is_limited_too() -> None:
    program = "from resources.sandbox import *; limit_time(0.5); lift_time_limit()\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, timeout=60, check=False)
    assert done.returncode == -signal.SIGXCPU


@pytest.mark.parametrize("deed", ["start and stay", "start and die"])
def test_what_a_worker_started_ends_with_it(pool: ParserPool, tmp_path: Path, deed: str) -> None:
    outcome = ask(pool, [(deed, str(tmp_path / "number"))], seconds=2)[0]
    assert outcome.failure in {"timeout", "crashed"}
    assert ends(int((tmp_path / "number").read_text("ascii")))


def test_the_time_that_a_worker_takes_to_start_is_not_its_task_s() -> None:
    slow = ParserPool("tests.fakes.slow_start:echo", preload=(), processes=1)
    (outcome,) = slow.map([Task(1, ("here",))], seconds=1, memory_mb=512)
    slow.close()
    assert (outcome.value, outcome.failure) == ("here", None)
    assert outcome.seconds < 1


def test_a_worker_keeps_nothing_of_the_last_document(pool: ParserPool, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    outcomes = ask(pool, [("leave behind", str(kept))] * 6)
    assert [outcome.value for outcome in outcomes.values()] == [[]] * 6
    assert kept.exists()


def test_a_worker_is_replaced_after_so_many_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.parser_pool.RECYCLE_AFTER", 3)
    single = ParserPool("tests.fakes.parsers:behave", preload=(), processes=1)
    pids = [outcome.value for _, outcome in sorted(ask(single, [("pid", None)] * 7).items())]
    single.close()
    assert pids[0] == pids[1] == pids[2] != pids[3] == pids[4] == pids[5] != pids[6]


def test_the_folder_of_a_worker_goes_with_it(pool: ParserPool) -> None:
    ask(pool, [("exit", 3)] * 4)
    assert pool._folder is not None
    folders = {str(path) for path in Path(pool._folder).iterdir()}
    assert folders <= {worker.folder for worker in pool._workers}


def test_an_outcome_says_how_much_memory_its_task_took() -> None:
    single = ParserPool("tests.fakes.parsers:behave", preload=(), processes=1)
    child = "held = bytearray(150 << 20); import time; time.sleep(2)"
    deeds = [("hoard", 200), ("echo", 1), ("run", (child, 20)), ("hoard", 4096)]
    peaks = {number: outcome.peak_mb for number, outcome in ask(single, deeds, memory_mb=1024).items()}
    single.close()
    assert 200 <= peaks[0] < 260
    assert peaks[1] < 40
    assert 150 <= peaks[2] < 260
    assert peaks[3] < 1024


def test_a_smaller_memory_limit_holds_for_workers_that_are_warm(pool: ParserPool) -> None:
    assert ask(pool, [("hoard", 300)] * 2, memory_mb=2048)[0].value == 300 << 20
    assert {outcome.failure for outcome in ask(pool, [("hoard", 900)] * 2, memory_mb=512).values()} == {"memory"}


def test_tasks_are_drawn_as_workers_fall_idle(pool: ParserPool) -> None:
    drawn: list[int] = []

    def tasks() -> Iterator[Task]:
        for number in range(50):
            drawn.append(number)
            yield Task(number, ("echo", number))

    outcomes = pool.map(tasks(), seconds=60, memory_mb=512)
    next(outcomes)
    assert len(drawn) <= 3
    assert len(list(outcomes)) == 49


def test_outcomes_that_nobody_waits_for_do_not_turn_up_later(pool: ParserPool) -> None:
    outcomes = pool.map([Task(number, ("echo", "old")) for number in range(6)], seconds=60, memory_mb=512)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert {outcome.value for outcome in ask(pool, [("echo", "new")] * 4).values()} == {"new"}


@pytest.fixture
def port() -> Iterator[int]:
    """A port of loopback on which somebody listens, by TCP and UDP."""
    with socket.socket() as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        number = listener.getsockname()[1]
        receiver.bind(("127.0.0.1", number))
        receiver.setblocking(False)
        yield number
        with pytest.raises(BlockingIOError):
            receiver.recv(10)


@pytest.mark.parametrize("deed", ["connect", "send"])
def test_a_worker_reaches_nobody(pool: ParserPool, port: int, deed: str) -> None:
    outcome = ask(pool, [(deed, port)])[0]
    assert outcome.failure == "error"
    assert outcome.detail.startswith("PermissionError")


CONNECT = "import socket; socket.create_connection(('127.0.0.1', {port}), timeout=5)"


@pytest.mark.skipif(network_isolation() != "kernel", reason="this kernel gives us no network namespace")
def test_a_program_that_a_worker_runs_reaches_nobody_either(pool: ParserPool, port: int) -> None:
    program = CONNECT.format(port=port)
    assert run_program([sys.executable, "-c", program], seconds=20) == b""
    outcome = ask(pool, [("run", (program, 20))])[0]
    assert (outcome.failure, outcome.detail.split()[0]) == ("error", "ProgramFailed")
    assert ask(pool, [("run", ("print(4711)", 20))])[0].value == b"4711\n"


def test_a_pair_of_sockets_within_a_worker_works(pool: ParserPool) -> None:
    assert ask(pool, [("pair", None)])[0].value == b"4711"


WITHOUT_RIGHTS = """
import ctypes, os, tempfile
from resources.sandbox import leave_network
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(4711), os.setuid(4711)
    ctypes.CDLL(None).prctl(4, 1)  # As a process is that was started by this user.
ids = os.geteuid(), os.getegid()
descriptor, _ = tempfile.mkstemp()
how = leave_network()
status = os.fstat(descriptor)
print(how, ids == (os.geteuid(), os.getegid()) == (status.st_uid, status.st_gid))
"""


def test_leaving_the_network_needs_no_rights_and_keeps_the_user() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() in (["kernel", "True"], ["python", "True"]), done.stderr


@pytest.mark.parametrize("deed", [("listen", 0), ("resolve", "localhost"), ("resolve simply", "localhost")])
def test_a_worker_neither_listens_nor_asks_for_addresses(pool: ParserPool, deed: tuple[str, Any]) -> None:
    outcome = ask(pool, [deed])[0]
    assert outcome.failure == "error"
    assert outcome.detail.startswith("PermissionError")


PROGRAM = """
import json, os, sys
os.environ |= {"OPENAI_API_KEY": "hush-hush", "SUIMON_DATABASE_URL": "postgresql://u:hush-hush@h/d", "ANY": "hush-hush"}
from resources.parser_pool import ParserPool, Task
pool = ParserPool("tests.fakes.parsers:behave", preload=(), processes=1)
deeds = ["environment", "initial environment", "scratch", "scratch", "print"]
outcomes = list(pool.map([Task(deed, (deed, "gate code 4711")) for deed in deeds], seconds=60, memory_mb=512))
values = [outcome.value for outcome in outcomes]
folder = os.path.dirname(values[2])
pool.close()
print(json.dumps({
    "environment": values[0], "initial": values[1].decode(), "scratch": values[2:4], "left": os.path.exists(folder),
    "kept": os.environ["ANY"],
}))
"""


@pytest.fixture(scope="module")
def fresh() -> dict[str, Any]:
    """What a worker of a process of its own saw, whose environment held secrets from the start."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "4711" not in done.stdout + done.stderr  # What a parser prints may quote its document.
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_no_secret_is_visible_in_a_worker(fresh: dict[str, Any]) -> None:
    assert "hush-hush" not in json.dumps(fresh["environment"])
    assert "hush-hush" not in fresh["initial"]
    assert fresh["environment"]["DO_NOT_TRACK"] == "1"


def test_the_environment_of_the_caller_is_given_back(fresh: dict[str, Any]) -> None:
    assert fresh["kept"] == "hush-hush"


def test_a_worker_writes_into_a_folder_of_its_own_that_goes_with_it(fresh: dict[str, Any]) -> None:
    first, second = fresh["scratch"]
    assert str(Path(first).parent) == str(Path(second).parent) == fresh["environment"]["HOME"]
    assert "suimon-parse-" in first
    assert not fresh["left"]


# Programs that readers run.


def test_a_program_is_given_its_input_and_says_what_it_makes_of_it() -> None:
    assert run_program(["/bin/cat"], seconds=20, content="水門".encode()) == "水門".encode()
    assert run_program(["/bin/cat"], seconds=20) == b""


def test_a_program_sees_no_secret_and_works_in_the_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hush-hush")
    assert b"hush-hush" not in run_program(["/usr/bin/env"], seconds=20)
    assert run_program(["/bin/pwd"], seconds=20).decode().strip() == os.path.realpath(tempfile.gettempdir())


@pytest.mark.parametrize("program", ["import sys; sys.exit(3)", "import os; os.abort()", "raise SystemExit('4711')"])
def test_a_program_that_fails_is_an_error_without_its_words(program: str) -> None:
    with pytest.raises(ProgramFailed) as caught:
        run_program([sys.executable, "-c", program], seconds=20)
    assert "4711" not in str(caught.value)


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ProgramFailed):
        run_program(["/nowhere/soffice"], seconds=20)


def test_a_program_that_stays_ends_with_all_that_it_started(tmp_path: Path) -> None:
    note = tmp_path / "number"
    program = (
        "import subprocess, sys, pathlib, time; child = subprocess.Popen([sys.executable, '-c', 'import time;"
        f" time.sleep(600)']); pathlib.Path({str(note)!r}).write_text(str(child.pid)); time.sleep(600)"
    )
    with pytest.raises(ProgramTimeout):
        run_program([sys.executable, "-c", program], seconds=2)
    assert ends(int(note.read_text("ascii")))


HOLD = "held = bytearray(200 << 20); import time; time.sleep(20)"
FAMILY = (
    f"import subprocess, sys; [c.wait() for c in [subprocess.Popen([sys.executable, '-c', {HOLD!r}]) for _ in '1234']]"
)


def test_a_program_and_all_that_it_starts_share_the_memory_limit_of_the_worker(pool: ParserPool) -> None:
    outcome = ask(pool, [("run", (FAMILY, 15))], memory_mb=512)[0]
    assert outcome.failure == "memory"
