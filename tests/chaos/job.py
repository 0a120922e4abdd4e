"""What a worker is told to do, how it is to die of it, and what it writes down while it lives."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Action = Literal["kill", "terminate", "postmaster", "raise"]
ACTIONS: tuple[Action, ...] = ("kill", "raise", "terminate", "postmaster")
"""SIGKILL of the worker; an exception; the end of all its backends; SIGKILL of the postmaster."""

Work = Literal["refresh", "profile", "rollback", "sweep"]

GOLDEN = ".golden.jsonl"
"""Golden questions lie among the documents, where a hidden file is no document."""


@dataclass(frozen=True)
class Strike:
    """An interruption at a failpoint.

    Attributes:
        action: what happens.
        point: name of the failpoint.
        nth: at which of its reaches, from 1.
        delay: seconds after it; 0 is inside the failpoint itself.
    """

    action: Action
    point: str
    nth: int = 1
    delay: float = 0.0

    def __str__(self) -> str:
        """Say it in a few words."""
        later = f" + {self.delay * 1000:.1f} ms" if self.delay else ""
        return f"{self.action} at {self.point} #{self.nth}{later}"


@dataclass(frozen=True)
class Job:
    """One run of the product in a process of its own.

    Attributes:
        work: which function of the product.
        run_id: names the run.
        dsn: of the database.
        postmaster: its process id.
        endpoint: base URL of the embedding endpoint.
        llm: base URL of the language model.
        source: folder of the documents.
        folder: where the worker may write: its journal, what it prints, its temporary files, reports.
        strike: how it is interrupted; None lets it be.
        earnest: whether it parses in a family of processes and audits by Great Expectations; otherwise it does the
            same by itself, in a tenth of the time.
        small_batches: whether a stage commits after a few documents, so that a small corpus takes several commits.
        sabotage: name of a fault to put into the product, to see that it is found; empty for none.
    """

    work: Work
    run_id: str
    dsn: str
    postmaster: int
    endpoint: str
    llm: str
    source: Path
    folder: Path
    strike: Strike | None = None
    earnest: bool = False
    small_batches: bool = True
    sabotage: str = ""

    @property
    def temporary(self) -> Path:
        """Folder for temporary files of the worker and all its family."""
        return self.folder / "tmp"


class Journal:
    """Lines in a file, each written at once, so that they outlive whoever wrote them."""

    def __init__(self, path: Path) -> None:
        """Open the file for adding lines."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, kind: str, text: str) -> None:
        """Add a line: a kind, the monotonic clock that all processes share, some words."""
        line = text.replace("\n", " ")
        os.write(self._file, f"{kind}\t{time.monotonic():.6f}\t{line}\n".encode())


@dataclass(frozen=True)
class Entry:
    """A line of a journal.

    Attributes:
        kind: `began`, `reached`, `seen` (a reader's state at a failpoint), `kin`, `struck`, `done` or `failed`.
        at: monotonic seconds.
        text: the process, the failpoint, the state, the processes below it, the strike, nothing, the error.
    """

    kind: str
    at: float
    text: str


def read_journal(path: Path) -> list[Entry]:
    """Read a journal; empty where nobody wrote any."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text().splitlines():
        kind, at, text = line.split("\t", 2)
        entries.append(Entry(kind, float(at), text))
    return entries
