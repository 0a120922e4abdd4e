"""What the scorecard's tests measure: texts embedded, requests, rows by table, and what a reader saw throughout.

A scenario is measured between two moments. Before it and after it every row of schema `corpus` is noted by key and
version, so that what was written is counted whoever wrote it. All the while a reader polls `search.chunks`, wholly,
in one statement, over a connection of its own; each of its reads has to be a state that was published. A refresh in
the test's own process waits for it after each stage and at every step of a publish, inside the transaction too.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from psycopg.sql import SQL, Identifier

from assets.workbench import Workbench
from resources import failpoints
from resources.postgres import Database
from tests.fakes.embedding_server import EmbeddingServer
from tests.fakes.http_wire import Answer

REPORT_VARIABLE = "SUIMON_SCORECARD"
"""Names the file that the measurements are written to; without it they are only asserted."""

LEDGER = frozenset(
    (
        "refreshes", "leases", "costs", "gate_verdicts", "verifications", "confirmations", "rate_limits", "rate_usage",
        "index_health", "retrieval_quality",
    )
)  # fmt: skip
"""Tables that say what was done; counted apart from what a refresh makes."""

WHOLE_TABLE = """
SELECT count(*), coalesce(md5(string_agg(md5(c::text), '' ORDER BY c.collection, c.uri, c.ordinal)), '')
FROM search.chunks AS c
"""
"""Everything that a reader can see, vectors and lineage included, as one digest of one statement."""

KEYS = """
SELECT c.relname, array_agg(a.attname ORDER BY a.attnum)
FROM pg_class AS c
INNER JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
INNER JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
WHERE c.relnamespace = 'corpus'::regnamespace AND c.relkind = 'r'
GROUP BY c.relname
"""

State = tuple[int, str]
"""Rows that a reader sees, and their digest."""


@dataclass
class CountingEndpoint(EmbeddingServer):
    """A fake endpoint that also counts what it answered, and can leave requests without an answer.

    Attributes:
        heard: the inputs of each request that was answered with vectors while somebody waited for them.
        held: the inputs of the requests that wait for an answer.
        texts_ever: all inputs since it was started.
    """

    heard: list[list[str]] = field(default_factory=list)
    held: list[list[str]] = field(default_factory=list)
    texts_ever: list[str] = field(default_factory=list)
    _answers_left: int | None = None
    _go_on: threading.Event = field(default_factory=threading.Event)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def embedded(self) -> list[str]:
        """All inputs that were answered with vectors."""
        return [text for request in self.heard for text in request]

    def forget(self) -> None:
        """Start counting from nothing."""
        super().forget()
        with self._counting:
            self.heard.clear()

    def hold_after(self, answers: int) -> None:
        """Answer so many more requests; leave those that come then waiting."""
        with self._counting:
            self._answers_left = answers
            self._go_on.clear()

    def let_go(self) -> None:
        """Answer everybody again."""
        with self._counting:
            self._answers_left = None
            self._go_on.set()

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        """Answer one request."""
        answer = super().answer(body, headers)
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        with self._counting:
            self.texts_ever.extend(texts)
            held = self._answers_left == 0
            if held:
                self.held.append(texts)
            elif self._answers_left is not None:
                self._answers_left -= 1
        if held:
            self._go_on.wait(120)
        elif answer[0] == 200:
            with self._counting:
                self.heard.append(texts)
        return answer


class Written(NamedTuple):
    """Rows of one table that are new, other than before, or gone."""

    inserted: int
    updated: int
    deleted: int


class Rows:
    """Every row of schema `corpus` at one moment, by table: its key, and the version that Postgres gave it."""

    def __init__(self, database: Database) -> None:
        """Note all rows."""
        self.tables: dict[str, dict[str, str]] = {}
        with database.connect(role=None) as session, session.transaction():
            for table, columns in session.connection.execute(KEYS.encode()).fetchall():
                query = SQL("SELECT ROW({})::text, ctid::text || ' ' || xmin::text FROM corpus.{}").format(
                    SQL(", ").join(map(Identifier, columns)), Identifier(table)
                )
                self.tables[table] = dict(session.connection.execute(query).fetchall())

    def since(self, before: Rows) -> dict[str, Written]:
        """Return what was written since, by table; tables in which nothing was are left out."""
        written = {}
        for table, rows in self.tables.items():
            old = before.tables.get(table, {})
            both = rows.keys() & old.keys()
            changes = Written(
                len(rows.keys() - old.keys()),
                sum(rows[key] != old[key] for key in both),
                len(old.keys() - rows.keys()),
            )
            if any(changes):
                written[table] = changes
        return written


def look(database: Database) -> State:
    """Return what readers see at this moment."""
    with database.connect("reader") as session:
        row = session.connection.execute(WHOLE_TABLE.encode()).fetchone()
    assert row is not None
    return row[0], row[1]


class PollingReader(threading.Thread):
    """Reads the whole published table again and again, as fast as it can.

    Attributes:
        reads: finished so far.
        states: what it saw, without repetitions in a row.
        failure: what ended it early.
    """

    def __init__(self, database: Database) -> None:
        """Make a reader that is not running yet."""
        super().__init__(name="polling-reader", daemon=True)
        self.reads = 0
        self.states: list[State] = []
        self.failure: Exception | None = None
        self._database = database
        self._stopped = False
        self._news = threading.Condition()

    def run(self) -> None:
        """Read until stopped."""
        try:
            with self._database.connect("reader") as session:
                while not self._stopped:
                    row = session.connection.execute(WHOLE_TABLE.encode()).fetchone()
                    assert row is not None
                    self._note((row[0], row[1]))
        except Exception as error:
            self.failure = error
            with self._news:
                self._news.notify_all()

    def _note(self, state: State) -> None:
        with self._news:
            self.reads += 1
            if not self.states or self.states[-1] != state:
                self.states.append(state)
            self._news.notify_all()

    def catch_up(self) -> None:
        """Wait until a read has begun and ended from now on."""
        with self._news:
            wanted = self.reads + 2
            assert self._news.wait_for(lambda: self.failure is not None or self.reads >= wanted, timeout=60)
        assert self.failure is None, self.failure

    def end(self) -> None:
        """Stop reading."""
        self._stopped = True
        self.join(60)


@dataclass
class Seen:
    """What was measured of a scenario.

    Attributes:
        number: of the scenario.
        embedded: texts that the endpoint answered with vectors.
        sent: texts that were sent to it, as often as they were.
        requests: that it got.
        rows: written by table, without the ledger.
        ledger: written to the tables that say what was done.
        published: the states that readers might see, in order.
        states: the states that the reader saw, in order.
        reads: how often it looked.
        verdict: `met`, `partly` or `not met`.
        note: what is missing, or has to be known.
    """

    number: int
    embedded: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    requests: int = 0
    rows: dict[str, Written] = field(default_factory=dict)
    ledger: dict[str, Written] = field(default_factory=dict)
    published: list[State] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    reads: int = 0
    verdict: str = "not met"
    note: str = ""

    def met(self, note: str = "") -> None:
        """Say that all that must happen did; the last line of a scenario's test."""
        self.verdict, self.note = "met", note

    def partly(self, note: str) -> None:
        """Say that the most of what must happen did, and what did not."""
        self.verdict, self.note = "partly", note

    def sent_again(self) -> dict[str, int]:
        """Return the texts that were sent more than once, with how often too many."""
        return {text: times - 1 for text, times in Counter(self.sent).items() if times > 1}

    def summary(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "number": self.number,
            "texts": len(self.embedded),
            "requests": self.requests,
            "rows": {table: tuple(rows) for table, rows in sorted(self.rows.items())},
            "ledger": {table: tuple(rows) for table, rows in sorted(self.ledger.items())},
            "reads": self.reads,
            "states": len(set(self.states)),
            "published": len(set(self.published)),
            "verdict": self.verdict,
            "note": self.note,
        }


@dataclass
class Scene:
    """A workbench with its corpus, and the means to measure what happens to it.

    Attributes:
        bench: settings and doors.
        corpus: the source.
        database: where the table is.
        endpoint: that embeds.
        cards: takes what was measured.
    """

    bench: Workbench
    corpus: Path
    database: Database
    endpoint: CountingEndpoint
    cards: Callable[[Seen], None]

    @contextmanager
    def scenario(self, number: int) -> Iterator[Watch]:
        """Measure what happens inside the block; something must be published before it."""
        watch = Watch(self, Seen(number))
        self.cards(watch.seen)
        watch.begin()
        try:
            yield watch
            watch.finish()
        finally:
            failpoints.install(None)
            watch.reader.end()


class Watch:
    """A scenario under way: counters noted, a reader polling."""

    def __init__(self, scene: Scene, seen: Seen) -> None:
        """Make a watch that has not begun."""
        self.scene = scene
        self.seen = seen
        self.reader = PollingReader(scene.database)

    def begin(self) -> None:
        """Note where everything stands, and let the reader poll."""
        self.scene.endpoint.forget()
        self._before = Rows(self.scene.database)
        self.readers_may_see()
        self.reader.start()
        self.reader.catch_up()
        failpoints.install(self._look_between)

    def _look_between(self, point: str) -> None:
        """Let the reader look after each stage and at every step of a publish, however fast these are."""
        if point.startswith("publication.") or point.endswith(".end"):
            self.reader.catch_up()

    def readers_may_see(self) -> State:
        """Note that what readers see now is a state that was meant to be seen; return it."""
        state = look(self.scene.database)
        if not self.seen.published or self.seen.published[-1] != state:
            self.seen.published.append(state)
        return state

    def finish(self) -> None:
        """Take the measurements, and compare what the reader saw with what was published."""
        seen, endpoint = self.seen, self.scene.endpoint
        self.readers_may_see()
        self.reader.catch_up()
        self.reader.end()
        seen.embedded, seen.sent, seen.requests = endpoint.embedded, endpoint.texts, len(endpoint.requests)
        written = Rows(self.scene.database).since(self._before)
        seen.rows = {table: rows for table, rows in written.items() if table not in LEDGER}
        seen.ledger = {table: rows for table, rows in written.items() if table in LEDGER}
        seen.states, seen.reads = self.reader.states, self.reader.reads
        coming = iter(seen.published)
        assert all(state in coming for state in seen.states), (
            f"a reader saw {[rows for rows, _ in seen.states]} rows in turn; published were "
            f"{[rows for rows, _ in seen.published]}, each as one whole"
        )


def write_report(cards: list[Seen]) -> None:
    """Write what was measured to the file that the environment names, if it names one."""
    path = os.environ.get(REPORT_VARIABLE)
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        rows = [card.summary() for card in sorted(cards, key=lambda card: card.number)]
        Path(path).write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
