"""The guard of a background service: `python -m resources.service_guard STATE TOKEN PORT COMMAND...`.

Writes the state file, runs the command, and ends it when told to, or when the state file is gone or
belongs to another guard. Imports the standard library only, so that it is small and starts at once.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

WATCH_SECONDS = 1.0
END_SECONDS = 10.0
PR_SET_PDEATHSIG = 1


def _die_with_guard() -> None:
    """Ask the kernel to end the child when its guard is killed (Linux only), by a signal that it heeds.

    What ignores SIGINT, as a shell's background command does, has Dagster make it ignore SIGTERM as well, and that is
    inherited.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _owned(state: Path, token: str) -> bool:
    try:
        return bool(json.loads(state.read_text(encoding="utf-8"))["token"] == token)
    except (OSError, ValueError, KeyError):
        return False


def _write(state: Path, token: str, port: int) -> None:
    part = state.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps({"pid": os.getpid(), "port": port, "token": token}), encoding="utf-8")
    part.replace(state)


def main(arguments: list[str]) -> int:
    """Guard one command until it ends or is not wanted any more."""
    state, token, port, command = Path(arguments[0]), arguments[1], int(arguments[2]), arguments[3:]
    _write(state, token, port)
    # A group of its own: what the child starts ends with it.
    child = subprocess.Popen(command, preexec_fn=_die_with_guard, process_group=0)  # noqa: PLW1509  # One thread.
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            code = child.wait(WATCH_SECONDS)
            break
        except subprocess.TimeoutExpired:
            if not _owned(state, token):
                child.terminate()
                try:
                    code = child.wait(END_SECONDS)
                except subprocess.TimeoutExpired:
                    child.kill()
                    code = child.wait()
                break
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
    if _owned(state, token):
        state.unlink(missing_ok=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
