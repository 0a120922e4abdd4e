"""Background services: started once, found again, ended whole, never orphaned."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from resources.errors import SuimonError
from resources.services import Service, Services

SLEEPER = "import time; time.sleep(600)"
PARENT = (
    "import subprocess, sys, time; "
    "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True); time.sleep(600)"
)
"""A command that has a child of its own and writes its number into the log."""
PATIENCE = 20.0

# A guard outlives the command that started it, which is what Popen warns of.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


def running(code: str = SLEEPER) -> list[str]:
    """Make a command line."""
    return [sys.executable, "-c", code]


def start(services: Services, name: str = "sleeper", code: str = SLEEPER) -> Service:
    """Start a service that is ready at once."""
    return services.ensure(name, lambda port: running(code), lambda port: True)


def await_end(*processes: psutil.Process) -> list[psutil.Process]:
    """Wait for processes to end; returns those that did not."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while (left := [process for process in processes if lives(process)]) and time.monotonic() < deadline:
        pause.wait(0.05)
    return left


def lives(process: psutil.Process) -> bool:
    """Say whether a process still runs: one that ended and that nobody has asked about, as an orphan's, does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def child_of(service: Service) -> psutil.Process:
    """Return what a guard guards, as soon as it is there."""
    guard = psutil.Process(service.pid)
    pause = threading.Event()
    for _ in range(200):
        found: list[psutil.Process] = [p for p in guard.children() if p.cmdline()[1:2] == ["-c"]]
        if found:
            return found[0]
        pause.wait(0.05)
    raise AssertionError("the guard has no child")


def family_of(service: Service) -> list[psutil.Process]:
    """Return a guard, its child and its grandchild, as soon as they are all there."""
    child = child_of(service)
    pause = threading.Event()
    while not (grandchildren := child.children()):
        assert child.is_running()
        pause.wait(0.02)
    return [psutil.Process(service.pid), child, *grandchildren]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Services of a state folder of the test's own; everything is ended with the test."""
    made = Services(tmp_path / "state")
    yield made
    for name in made.names():
        made.stop(name)


def test_a_service_is_started_and_found_again_by_another_command(services: Services) -> None:
    started = start(services)
    assert started.alive
    other = Services(services.folder)
    assert other.find("sleeper") == started
    assert other.names() == ["sleeper"]
    assert start(other) == started


def test_two_callers_at_once_start_one_service(services: Services) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(lambda _: start(Services(services.folder)), range(4)))
    assert len(found) == 1
    guards = [p for p in psutil.process_iter(["cmdline"]) if str(services.folder) in " ".join(p.info["cmdline"] or [])]
    assert len(guards) == 1


def test_the_command_gets_the_port_under_which_the_service_is_found(services: Services) -> None:
    asked: list[int] = []

    def ready(port: int) -> bool:
        asked.append(port)
        return True

    service = services.ensure("sleeper", lambda port: [*running(), str(port)], ready)
    assert asked == [service.port]
    assert child_of(service).cmdline()[-1] == str(service.port)


def test_a_stopped_service_is_gone_with_its_children(services: Services) -> None:
    service = start(services, code=PARENT)
    family = family_of(service)
    assert services.stop("sleeper", seconds=1)
    assert await_end(*family) == []
    assert services.find("sleeper") is None
    assert services.names() == []
    assert not services.stop("sleeper")


def test_a_stopped_service_can_be_started_again(services: Services) -> None:
    first = start(services)
    services.stop("sleeper")
    second = start(services)
    assert (second.pid, second.token) != (first.pid, first.token)
    assert second.alive
    assert not first.alive


def test_a_service_ends_by_itself_when_its_state_file_is_removed(services: Services) -> None:
    service = start(services)
    family = [psutil.Process(service.pid), child_of(service)]
    (services.folder / "run" / "sleeper.json").unlink()
    assert await_end(*family) == []


def test_a_service_that_ends_by_itself_takes_its_children_with_it(services: Services) -> None:
    family = family_of(start(services, code=PARENT))
    (services.folder / "run" / "sleeper.json").unlink()
    left = await_end(*family)
    for orphan in left:
        orphan.kill()
    assert left == []


def test_a_service_ends_by_itself_when_another_guard_takes_its_place(services: Services) -> None:
    service = start(services)
    family = [psutil.Process(service.pid), child_of(service)]
    state = services.folder / "run" / "sleeper.json"
    state.write_text(json.dumps({"pid": 2147483646, "port": 1, "token": "another"}), encoding="utf-8")
    assert await_end(*family) == []
    assert json.loads(state.read_text(encoding="utf-8"))["token"] == "another"


def test_a_guard_that_is_killed_takes_its_child_with_it(services: Services) -> None:
    service = start(services)
    guard, child = psutil.Process(service.pid), child_of(service)
    guard.send_signal(signal.SIGKILL)
    assert await_end(guard, child) == []
    assert services.find("sleeper") is None


def test_a_service_ends_when_told_to_though_whoever_started_it_is_deaf_to_that(services: Services) -> None:
    heeded = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        service = start(services)
    finally:
        signal.signal(signal.SIGTERM, heeded)
    guard, child = psutil.Process(service.pid), child_of(service)
    guard.send_signal(signal.SIGKILL)
    assert await_end(guard, child) == []


def test_a_child_that_ends_ends_its_guard_and_its_state(services: Services) -> None:
    service = start(services)
    guard, child = psutil.Process(service.pid), child_of(service)
    child.kill()
    assert await_end(guard, child) == []
    assert not (services.folder / "run" / "sleeper.json").exists()
    assert services.names() == []


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of ours."""
    with subprocess.Popen(running()) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("token", ["0123456789abcdef", ""])
def test_a_state_file_that_names_a_stranger_is_not_trusted(
    services: Services, stranger: subprocess.Popen[bytes], token: str
) -> None:
    state = services.folder / "run" / "sleeper.json"
    state.parent.mkdir(parents=True)
    content = json.dumps({"pid": stranger.pid, "port": 1, "token": token})
    state.write_text(content, encoding="utf-8")
    assert services.find("sleeper") is None
    assert services.names() == []
    assert not services.stop("sleeper")
    assert stranger.poll() is None
    state.write_text(content, encoding="utf-8")
    assert start(services).pid != stranger.pid
    assert stranger.poll() is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "1", "{}", '{"pid": "x", "port": 1, "token": "t"}',
     '{"pid": null, "port": 1, "token": "t"}',
     '{"pid": -1, "port": 1, "token": "t"}', '{"pid": 99999999999999999999, "port": 1, "token": "t"}',
     '{"pid": 0, "port": 1, "token": ""}', "\x00\x01", '{"pid": 2147483646, "port": 1, "token": "t"}'],
)  # fmt: skip
def test_a_broken_state_file_is_as_good_as_none(services: Services, content: str) -> None:
    state = services.folder / "run" / "sleeper.json"
    state.parent.mkdir(parents=True)
    state.write_text(content, encoding="utf-8")
    assert services.find("sleeper") is None
    assert services.names() == []
    assert not services.stop("sleeper")


def test_a_service_that_does_not_start_names_its_log(services: Services) -> None:
    failing = "import sys; sys.exit('no such model')"
    with pytest.raises(SuimonError, match=r"sleeper.*sleeper\.log"):
        services.ensure("sleeper", lambda port: running(failing), lambda port: False, seconds=PATIENCE)
    assert "no such model" in services.log("sleeper").read_text(encoding="utf-8")
    assert services.names() == []


def test_a_service_that_never_answers_is_given_up_with_a_word_about_its_log(services: Services) -> None:
    with pytest.raises(SuimonError, match=r"sleeper\.log"):
        services.ensure("sleeper", lambda port: running(), lambda port: False, seconds=0.3)


def test_services_of_two_folders_do_not_meet(services: Services, tmp_path: Path) -> None:
    other = Services(tmp_path / "other")
    mine, theirs = start(services), start(other)
    try:
        assert mine.pid != theirs.pid
        other.stop("sleeper")
        assert mine.alive
    finally:
        other.stop("sleeper")
