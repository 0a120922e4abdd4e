"""The door to other programs, as LibreOffice and tesseract, which are given untrusted files.

A program has a time limit and no more memory than its caller has left, reads what it is given and writes to a
file, and never outlives the call: its process group is killed with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import psutil

from resources.sandbox import memory_left

MOST_OUTPUT_BYTES = 256 << 20
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TESSDATA_PREFIX")
_LOOK_SECONDS = 0.25
"""Between two looks at a program's memory; each reads the process table."""

peaks: list[int] = []
"""Bytes that each program held at most, for whoever measures a task; cleared by it."""


class ProgramFailed(Exception):
    """A program could not be started, ended with an error, or wrote too much."""


class ProgramTimeout(Exception):
    """A program took too long."""


@cache
def find_program(name: str) -> str | None:
    """Return the path of a program, or None where it is not installed.

    Args:
        name: as on a command line; pandoc is also found inside the package pypandoc_binary.
    """
    found = shutil.which(name)
    return _bundled_pandoc() if found is None and name == "pandoc" else found


def _bundled_pandoc() -> str | None:
    package = find_spec("pypandoc")
    if package is None or package.origin is None:
        return None
    program = Path(package.origin).parent / "files" / "pandoc"
    return str(program) if program.is_file() else None


def run_program(arguments: Sequence[str], *, seconds: float, content: bytes = b"") -> bytes:
    """Run a program to its end and return what it printed.

    It works in the temporary folder, with a minimal environment; files have to be named by their whole path.

    Args:
        arguments: the program's path, and what it is told.
        seconds: after which it is killed.
        content: what it reads on its standard input.

    Raises:
        ProgramFailed: it could not be started, returned something else than 0, or printed more than 256 MiB.
        ProgramTimeout: it was not done in time.
        MemoryError: it, with all that it started, took more memory than this process has left.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
        given.write(content)
        given.seek(0)
        process = _start(arguments, seconds, given, printed)
        try:
            _await(process, seconds)
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode != 0:
            raise ProgramFailed(f"exit {process.returncode}")
        if printed.seek(0, os.SEEK_END) > MOST_OUTPUT_BYTES:
            raise ProgramFailed("too much output")
        printed.seek(0)
        return printed.read()


def _start(arguments: Sequence[str], seconds: float, given: IO[bytes], printed: IO[bytes]) -> subprocess.Popen[bytes]:
    folder = tempfile.gettempdir()
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # tesseract's threads would fight with the other workers for the cores.
    environment = {"LANG": "C.UTF-8"} | kept | {"HOME": folder, "TMPDIR": folder, "OMP_THREAD_LIMIT": "1"}
    # Ends the program even when this process is killed and nobody waits for it any more.
    guard = find_program("timeout")
    wrapped = [guard, "--signal=KILL", f"{seconds + 5:.1f}", *arguments] if guard else list(arguments)
    try:
        return subprocess.Popen(
            wrapped,
            stdin=given,
            stdout=printed,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=folder,
            process_group=0,
        )
    except OSError as error:
        raise ProgramFailed(type(error).__name__) from None


def _await(process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    allowance = memory_left()
    peak = 0
    try:
        while True:
            try:
                process.wait(min(_LOOK_SECONDS, max(0.001, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                peak = max(peak, taken := _resident(process.pid))
                if allowance is not None and taken > allowance:
                    raise MemoryError from None
                if time.monotonic() >= deadline:
                    raise ProgramTimeout(f"{seconds:g} s") from None
            else:
                return
    finally:
        peaks.append(peak)


def _resident(pid: int) -> int:
    """Return the bytes that a process and all that it started hold."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    held = 0
    for process in family:
        with suppress(psutil.Error):
            held += process.memory_info().rss
    return held
