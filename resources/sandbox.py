"""What a process takes from itself before it touches an untrusted file: network, memory, time, room to write.

Limits are the kernel's, so that they hold for C libraries too, and every program that the process starts
inherits them. A process that lacks the right to a namespace of its own goes on without one.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import psutil

NetworkIsolation = Literal["kernel", "python"]
"""`kernel`: a network namespace without any interface, which holds for child processes too. `python`: an audit hook
that refuses sockets, which C code and child processes do not ask."""

MOST_WRITTEN_BYTES = 1 << 30
"""Of one file that a parser, or a program that it starts, writes."""

_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000
_PR_SET_NO_NEW_PRIVS = 38


def network_isolation() -> NetworkIsolation:
    """Find out in a process of its own how far this machine keeps a parser from the network."""
    done = subprocess.run(
        [sys.executable, "-c", "from resources.sandbox import leave_network; print(leave_network())"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "kernel" if done.stdout.strip() == "kernel" else "python"


def leave_network() -> NetworkIsolation:
    """Move this process, which must have one thread, into a network without interfaces, and refuse it sockets.

    Unix sockets of the file system keep working for programs written in C; Python may make none that connect.

    Returns:
        How far it holds.
    """
    isolation: NetworkIsolation = "kernel" if _unshare_network() else "python"
    sys.addaudithook(_refuse_network)
    return isolation


def _unshare_network() -> bool:
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.geteuid() == 0 and libc.unshare(_CLONE_NEWNET) == 0:
            return True
        user, group = os.geteuid(), os.getegid()
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
            return False
    except (OSError, AttributeError):
        return False
    # The same ids inside as outside, or files of ours would belong to nobody.
    with suppress(OSError):
        Path("/proc/self/uid_map").write_bytes(b"%d %d 1" % (user, user))
        Path("/proc/self/setgroups").write_bytes(b"deny")
        Path("/proc/self/gid_map").write_bytes(b"%d %d 1" % (group, group))
    return True


def _refuse_network(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith("socket.") and event != "socket.__new__":
        raise PermissionError("a parser may not use the network")


def limit_memory(memory_mb: int) -> None:
    """Let this process take so much address space beyond what it has; a program that it starts gets the same sum.

    Args:
        memory_mb: MiB.
    """
    limit = _address_space() + memory_mb * (1 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def memory_left() -> int | None:
    """Return the bytes that this process may still take, or None where it has no limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else max(0, limit - _address_space())


def limit_output() -> None:
    """Bound every file that this process writes, and let none be a core dump, which would hold the document."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_WRITTEN_BYTES, MOST_WRITTEN_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_time(seconds: float) -> None:
    """Let the kernel end this process when it has computed for so long from now, or lived a little longer.

    Whoever waits for it has a clock of its own; this holds when nobody is waiting any more.

    Args:
        seconds: from now.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds + 2)


def lift_time_limit() -> None:
    """Let this process wait for as long as it likes."""
    signal.setitimer(signal.ITIMER_REAL, 0)


class MemoryMeter:
    """Measures what a task takes: the most memory resident at a time, beyond what the process had at first."""

    def __init__(self) -> None:
        """Note what the process has now."""
        self._at_first = _status_kb("VmRSS")

    def start(self) -> None:
        """Forget earlier peaks, where the kernel allows it; else the peak is that of the process."""
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_bytes(b"5")

    def peak_mb(self) -> int:
        """Return the peak in MiB, rounded up."""
        return math.ceil(max(0, _status_kb("VmHWM") - self._at_first) / 1024)


def end_session(leader: int) -> None:
    """Kill a process that leads a session, and all that it started, whether it still lives or not; return when dead.

    Args:
        leader: its process id, which is that of the session.
    """
    deadline = time.monotonic() + 5
    while members := [pid for pid in psutil.pids() if _session(pid) == leader and _runs(pid)]:
        for pid in members:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:  # Asleep in the kernel: it dies when it wakes.
            return
        time.sleep(0.005)  # The next look finds what they started in the meantime.


def _runs(pid: int) -> bool:
    """Tell whether a process runs; one that is dead stays listed until its parent has taken note."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()


def _status_kb(field: str) -> int:
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return 0
