"""What runs inside a parser process: it walls itself in, then does one task after the other."""

from __future__ import annotations

import errno
import importlib
import os
import re
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Literal

from resources import programs
from resources.sandbox import (
    MemoryMeter,
    leave_network,
    lift_time_limit,
    limit_memory,
    limit_output,
    limit_time,
)

Failure = Literal["refused", "timeout", "memory", "output", "crashed", "error"]

MOST_ANSWER_BYTES = 512 << 20
"""Of a pickled answer: the run takes it into its own memory, which no limit guards."""

_REASON = re.compile(r"[a-z][a-z_]*")


@dataclass(frozen=True)
class Answer:
    """What a worker says of a task.

    Attributes:
        value: what the entry function returned, if it did.
        failure: why there is no value.
        detail: the reason, the exception's type and place, or the limit; never the document's text.
        peak_mb: memory that it took at most, in MiB.
    """

    value: Any = None
    failure: Failure | None = None
    detail: str = ""
    peak_mb: int = 0


def serve(pipe: connection.Connection, entry: str, memory_mb: int, folder: str) -> None:
    """Do tasks until the other end hangs up.

    Args:
        pipe: sends a first None when tasks can be done, takes (arguments, seconds) and gives pickled `Answer`s.
        entry: `module:function`.
        memory_mb: memory that may be taken beyond what there is at the start.
        folder: for temporary files, which are removed after each task.
    """
    run = _prepare(entry, memory_mb, folder)
    meter = MemoryMeter()
    with suppress(BrokenPipeError):
        pipe.send(None)
        while True:
            try:
                arguments, seconds = pipe.recv()
            except (EOFError, OSError):
                break
            limit_time(seconds)
            answer = _answer(run, arguments, memory_mb, meter)
            lift_time_limit()
            pipe.send_bytes(answer)
            del answer, arguments
            _empty(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _prepare(entry: str, memory_mb: int, folder: str) -> Callable[..., Any]:
    # A session of its own: what is started here can be found and ended together with it.
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_network()
    tempfile.tempdir = folder
    os.environ.update(TMPDIR=folder, HOME=folder)
    limit_memory(memory_mb)
    limit_output()
    module, _, function = entry.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    _mute()
    return found


def _mute() -> None:
    """What parsers print may quote the document, and whoever records our output would keep it."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _answer(run: Callable[..., Any], arguments: tuple[Any, ...], memory_mb: int, meter: MemoryMeter) -> Any:
    programs.peaks.clear()
    meter.start()
    try:
        return _pack(run(*arguments), meter)
    except Exception as error:
        failure, detail = _judge(error, memory_mb)
    # Here the error and all that it held on to are gone, so that there is memory to say so.
    return ForkingPickler.dumps(Answer(None, failure, detail, _peak_mb(meter)))


def _pack(value: Any, meter: MemoryMeter) -> Any:
    packed = ForkingPickler.dumps(Answer(value, peak_mb=_peak_mb(meter)))
    if len(packed) > MOST_ANSWER_BYTES:
        raise OSError(errno.EFBIG, "too large an answer")
    return packed


def _peak_mb(meter: MemoryMeter) -> int:
    return meter.peak_mb() + (max(programs.peaks, default=0) >> 20)


def _judge(error: Exception, memory_mb: int) -> tuple[Failure, str]:
    if isinstance(error, MemoryError):
        return "memory", f"{memory_mb} MiB"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return "output", "too large an answer or file"
    reason = getattr(error, "reason", None)
    # The library's own errors have reasons too, as UnicodeDecodeError, which are no codes.
    if isinstance(reason, str) and _REASON.fullmatch(reason):
        return "refused", reason
    return "error", _describe(error)


def _describe(error: Exception) -> str:
    """Name an exception and where it arose; its message may hold text of the document."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def _empty(folder: str) -> None:
    """Remove what a task left, so that the next document finds nothing of the last."""
    for left in os.scandir(folder):
        if left.is_dir(follow_symlinks=False):
            shutil.rmtree(left.path, ignore_errors=True)
        else:
            with suppress(OSError):
                Path(left.path).unlink()
