"""What a language model was asked in a case, and whether anything was asked again that was known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from assets.profiles.prompting import digest
from tests.fakes.describing import describe
from tests.fakes.llm_server import LlmServer, serve_llm

CONCURRENCY = 2
DECLARED = {
    "model": "fake", "context_tokens": 3000, "max_output_tokens": 400, "bytes_per_token": 4.0,
    "concurrency": CONCURRENCY, "deadline_seconds": 20.0,
}  # fmt: skip
"""Settings under which a text of some pages takes several questions."""


@contextmanager
def describing() -> Iterator[LlmServer]:
    """Run a model that describes well for as long as the block lasts."""
    with serve_llm(LlmServer(says=describe)) as server:
        yield server


@dataclass
class Questions:
    """The questions of the runs of a case, all of them about one document.

    Attributes:
        server: that was asked.
        problems: sentences; none if all is well.
    """

    server: LlmServer
    problems: list[str] = field(default_factory=list)
    _heard: int = 0
    _kept: set[bytes] = field(default_factory=set)
    _described: int | None = None

    def look(self, hand: psycopg.Connection[Any]) -> None:
        """Compare what a run that has just ended was asking with what was known before it, and with what is kept."""
        sent = [_identity(body) for body in self.server.bodies[self._heard :]]
        self._heard += len(sent)
        if len(set(sent)) != len(sent):
            self.problems.append(f"{len(sent) - len(set(sent))} questions were asked twice within one run")
        again = self._kept & set(sent)
        if again:
            self.problems.append(f"{len(again)} questions were asked again although their answers were kept")
        described = _count(hand, "SELECT count(*) FROM corpus.profiles")
        if sent and self._described == described:
            rows = hand.execute("SELECT asked FROM corpus.profile_parts").fetchall()
            self._kept = {bytes(row[0]) for row in rows}
            lost = len(set(sent) - self._kept)
            if lost > CONCURRENCY:
                self.problems.append(f"{lost} questions were in flight, of {CONCURRENCY} that can be")
        elif sent:
            self._kept = set(sent) | self._kept
        self._described = described


def _identity(body: dict[str, Any]) -> bytes:
    return digest(body["messages"], body["response_format"]["json_schema"]["schema"])


def _count(hand: psycopg.Connection[Any], query: str) -> int:
    row = hand.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0
