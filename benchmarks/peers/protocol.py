"""The line protocol between the driver and an engine's process, and the clock.

An engine's process starts, imports what it needs, prints `ready`, and then answers each
line on standard input with one line of JSON on standard output:

    cold            wipe the table and every remembered state, then refresh
    noop            refresh
    edit REV-0001   refresh; also count the rows that hold the word

Only `Engine.refresh` is timed: from listing the folder until the rows are committed,
including the creation of whatever tables were wiped. Wiping, counting rows and asking the
endpoint what it was sent happen outside the clock. Standard library only, since this runs
in every engine's own environment.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

PHASES = ("cold", "noop", "edit")
MODEL = "text-embedding-3-small"  # a name that every client accepts; the endpoint ignores it
BATCH = 64  # texts in a request, at most
DIMENSIONS = 384  # of the endpoint's vectors


@dataclass(frozen=True)
class Setting:
    """What the driver tells every engine alike.

    Attributes:
        database: URI of a database of the engine's own, with pgvector installed.
        endpoint: Base URL of the embedding service, without `/v1`.
        corpus: Folder of Markdown files.
        state: Folder for whatever the engine keeps on disk; exists.
        durable: Whether an engine that may keep its memory in the process must save it.
    """

    database: str
    endpoint: str
    corpus: Path
    state: Path
    durable: bool


class Engine(Protocol):
    """One way of keeping a table level with a folder."""

    def wipe(self) -> None:
        """Remove the table and everything remembered, as before the first run."""

    def refresh(self, phase: str) -> dict[str, Any] | None:
        """Bring the table level with the folder; the rows are committed on return."""

    def count_rows(self, word: str) -> int:
        """Count the table's rows whose text holds a word; all of them for the empty word."""


def run(create: Callable[[Setting], Engine]) -> None:
    """Read the settings, build the engine, and serve until standard input closes.

    Raises:
        ValueError: A line names no phase.
    """
    setting = _parse_arguments()
    # Libraries that print to standard output must not break the protocol.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    engine = create(setting)
    logging.getLogger().setLevel(logging.WARNING)  # some libraries log every request
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        phase, _, word = line.strip().partition(" ")
        if phase not in PHASES:
            raise ValueError(f"unknown phase {phase!r}: send one of {', '.join(PHASES)}")
        print(json.dumps(_measure(engine, setting, phase, word)), file=answers, flush=True)


def with_driver(uri: str, driver: str) -> str:
    """The database's URI with a driver named, as SQLAlchemy wants it."""
    return uri.replace("postgresql://", f"postgresql+{driver}://", 1)


def _measure(engine: Engine, setting: Setting, phase: str, word: str) -> dict[str, Any]:
    if phase == "cold":
        engine.wipe()
    gc.collect()  # so that no engine pays for the one before
    _call(setting, "/reset", method="POST")
    started = time.perf_counter()
    report = engine.refresh(phase)
    seconds = time.perf_counter() - started
    stats = _call(setting, "/stats")
    answer: dict[str, Any] = {
        "phase": phase,
        "seconds": round(seconds, 4),
        "rows": engine.count_rows(""),
        "texts_embedded": stats["texts"],
        "requests": stats["requests"],
        "largest_batch": stats["largest_batch"],
        "most_in_flight": stats["most_in_flight"],
    }
    if word:
        answer["rows_with_word"] = engine.count_rows(word)
    if report is not None:
        answer["engine"] = report
    return answer


def _call(setting: Setting, path: str, *, method: str = "GET") -> dict[str, int]:
    request = urllib.request.Request(setting.endpoint + path, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        counters: dict[str, int] = json.load(response)
    return counters


def _parse_arguments() -> Setting:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--durable", action="store_true")
    return Setting(**vars(parser.parse_args()))
