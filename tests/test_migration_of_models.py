"""Moving to another model: a space is filled beside the live one, promoted by one flip, dropped; no query is lost."""

from __future__ import annotations

import itertools
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from assets.publication.rollback import rollback, unpin
from assets.settings import Collection, Space
from assets.upkeep import spaces
from assets.upkeep.sweep import sweep
from assets.upkeep.verify import verify
from assets.workbench import Workbench
from resources.errors import ConfigurationError, EndpointUnavailable, GateClosed
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer, embed, serve
from tests.processes import Job, nursery, until
from tests.scorecard import CountingEndpoint

MakeBench = Callable[..., Workbench]

QUESTION = "when is the gate opened"

_runs = itertools.count()


@pytest.fixture
def other() -> Iterator[EmbeddingServer]:
    """The new model's endpoint: other dimensions, another name."""
    with serve(EmbeddingServer(dimensions=48, model="new-embeddings")) as server:
        yield server


def declare(bench: Workbench, server: EmbeddingServer, name: str = "large", **settings: Any) -> Workbench:
    """Declare another space beside those that are declared."""
    declared = {"base_url": server.url, "model": "new", "token_limit": 128, "deadline_seconds": 5} | settings
    bench.spaces = {**bench.spaces, name: Space.model_validate(declared)}
    return bench


def fill(bench: Workbench, name: str = "large") -> dict[str, str | None]:
    """Fill a space with all collections; a failing refresh is told, as the command does."""

    def one(collection: str) -> str | None:
        summary = refresh(bench, collection)
        notes = [note for report in summary.reports.values() for note in report.notes]
        return " ".join(notes) or None

    return spaces.fill(bench, name, bench.collections, one)


def move(bench: Workbench, name: str = "large") -> None:
    """Add, fill and promote a space."""
    spaces.add(bench, name)
    assert not any(fill(bench, name).values())
    spaces.promote(bench, name)


def state(database: Database, name: str = "large") -> tuple[bool, bool, int]:
    """Return whether a space is live, whether it is ready, and how many rows its view shows."""
    ((live, ready),) = rows(database, f"SELECT live, ready FROM search.spaces WHERE space = '{name}'")
    ((count,),) = rows(database, f"SELECT count(*) FROM search.chunks_{name}")
    return live, ready, count


def published(database: Database, view: str = "chunks") -> list[tuple[str, str]]:
    """Return the passages that a view shows, by document."""
    return rows(database, f"SELECT uri, text FROM search.{view} ORDER BY uri, ordinal")


@dataclass
class Client:
    """Somebody who asks without a pause: of one space, or of whichever is live.

    Attributes:
        database: that is asked.
        space: the old client's; None for one that looks up the live space before each question.
        least: fewest rows that were published at any time.
        answers: how many questions were answered.
        seen: by space, the dimensions of the vectors that came back.
        faults: what went wrong.
    """

    database: Database
    space: str | None
    least: int
    answers: int = 0
    seen: dict[str, set[int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Ask until told to stop."""
        with self.database.connect("reader") as session:
            while not self._ended.is_set():
                try:
                    self._ask_once(session.connection)
                except Exception as error:
                    self.faults.append(repr(error))
                    return

    def _ask_once(self, connection: psycopg.Connection[Any]) -> None:
        chosen, dimensions = connection.execute(
            "SELECT space, dimensions FROM search.spaces WHERE CASE WHEN %(space)s::text IS NULL THEN live "
            "ELSE space = %(space)s END",
            {"space": self.space},
        ).fetchone() or ("none", 0)
        vector = embed(QUESTION, dimensions).tolist()
        kind = "halfvec" if dimensions > 2000 else "vector"
        found = connection.execute(
            f"SELECT uri, publish, vector_dims(embedding) FROM search.chunks_{chosen} "
            f"ORDER BY embedding <=> '{vector}'::{kind} LIMIT 1000".encode()
        ).fetchall()
        if len(found) < self.least:
            self.faults.append(f"{len(found)} rows of {chosen}")
        self.seen.setdefault(chosen, set()).update(row[2] for row in found)
        publishes = {(row[0], row[1]) for row in found}
        if len(publishes) != len({uri for uri, _ in publishes}):
            self.faults.append(f"two publishes of one document in {chosen}")
        self.answers += 1

    @contextmanager
    def asking(self) -> Iterator[Client]:
        """Ask from a thread while the block lasts."""
        thread = threading.Thread(target=self.ask, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join(timeout=30)


def edit(corpus: Path, number: int) -> None:
    """Change one document and add another."""
    write(corpus, "tides.txt", f"High tide is at {number}. Low tide is at noon.\n")
    write(corpus, f"new{number}.md", f"# New {number}\n\nGate number {number} was built in {1900 + number}.\n")


@pytest.mark.parametrize("dimensions", [48, 2001])
def test_old_and_new_clients_are_served_through_a_whole_migration(
    bench: Workbench, other: EmbeddingServer, database: Database, corpus: Path, dimensions: int
) -> None:
    other.dimensions = dimensions
    refresh(bench)
    least = len(published(database))
    with (
        Client(database, "small", least).asking() as old,
        Client(database, None, least).asking() as new,
    ):
        declare(bench, other)
        known, made = spaces.add(bench, "large")
        assert made
        assert (known.dimensions, known.storage) == (dimensions, "halfvec" if dimensions > 2000 else "vector")
        assert state(database) == (False, False, 0)
        edit(corpus, 1)
        assert fill(bench) == {"notes": None}
        assert state(database) == (False, True, len(published(database)))
        edit(corpus, 2)
        refresh(bench)
        assert spaces.promote(bench, "large") == "small"
        edit(corpus, 3)
        refresh(bench)
        assert published(database) == published(database, "chunks_small") == published(database, "chunks_large")
        assert spaces.promote(bench, "small") == "large"
        edit(corpus, 4)
        refresh(bench)
        assert spaces.promote(bench, "large") == "small"
        assert published(database) == published(database, "chunks_small") == published(database, "chunks_large")
    with Client(database, None, least).asking() as new_alone:
        assert spaces.drop(bench, "small", by="tester", run_id="drop")["vectors"] > 0
        bench.spaces = {"large": bench.space("large")}
        edit(corpus, 5)
        refresh(bench)
    assert (old.faults, new.faults, new_alone.faults) == ([], [], [])
    assert min(old.answers, new.answers, new_alone.answers) > 3
    assert old.seen == {"small": {32}}
    assert new.seen == {"small": {32}, "large": {dimensions}}
    assert new_alone.seen == {"large": {dimensions}}
    assert len(published(database)) == least + 5
    assert verify(bench, None, repair=False, run_id="verify") == []


def test_a_migration_embeds_each_text_once_in_the_new_space_and_none_in_the_old_one(
    bench: Workbench, endpoint: EmbeddingServer, other: EmbeddingServer, database: Database
) -> None:
    refresh(bench)
    texts = {text for (text,) in rows(database, "SELECT text FROM corpus.texts", role=None)}
    endpoint.forget()
    declare(bench, other)
    spaces.add(bench, "large")
    other.forget()
    fill(bench)
    assert sorted(other.texts) == sorted(texts)
    spaces.promote(bench, "large")
    spaces.promote(bench, "small")
    refresh(bench)
    assert (endpoint.requests, len(other.texts)) == ([], len(texts))
    found = rows(
        database, "SELECT model, sum(inputs)::int, sum(cost) FROM search.costs GROUP BY model ORDER BY model", role=None
    )
    assert [(model, inputs) for model, inputs, _ in found] == [("fake", len(texts)), ("new", len(texts))]


def test_a_refresh_with_nothing_to_do_stays_one_with_several_spaces(
    bench: Workbench, endpoint: EmbeddingServer, other: EmbeddingServer
) -> None:
    refresh(bench)
    declare(bench, other)
    spaces.add(bench, "large")
    fill(bench)
    for server in (endpoint, other):
        server.forget()
    summary = refresh(bench)
    assert not summary.changed
    assert all(not report.counts or name == "documents" for name, report in summary.reports.items())
    assert endpoint.requests == other.requests == []


def test_a_new_endpoint_that_is_away_holds_nothing_up(
    bench: Workbench, other: EmbeddingServer, database: Database, corpus: Path
) -> None:
    refresh(bench)
    declare(bench, other, deadline_seconds=0.5)
    spaces.add(bench, "large")
    other.trouble = lambda texts: (503, {}, {"error": {"message": "away"}})
    write(corpus, "weir.md", "# Weir\n\nThe weir is closed.\n")
    summary = refresh(bench)
    assert summary.reports["publication"].changed
    (note,) = summary.reports["vectors"].notes
    assert "large was not filled further" in note
    assert ("weir.md", "The weir is closed.") in [(uri, text.split("\n")[-1]) for uri, text in published(database)]
    assert state(database) == (False, False, 0)
    other.trouble = None
    assert not refresh(bench).reports["vectors"].notes
    assert state(database) == (False, True, len(published(database)))


def test_once_a_space_is_complete_nothing_is_published_without_it(
    bench: Workbench, other: EmbeddingServer, database: Database, corpus: Path
) -> None:
    refresh(bench)
    declare(bench, other, deadline_seconds=0.5)
    spaces.add(bench, "large")
    fill(bench)
    before = published(database)
    other.trouble = lambda texts: (503, {}, {"error": {"message": "away"}})
    write(corpus, "weir.md", "# Weir\n\nThe weir is closed.\n")
    with pytest.raises(EndpointUnavailable):
        refresh(bench)
    assert published(database) == before
    other.trouble = None
    refresh(bench)
    assert published(database, "chunks_large") == published(database, "chunks_small") != before


def test_a_space_that_is_not_complete_is_not_promoted(
    bench: Workbench, other: EmbeddingServer, database: Database
) -> None:
    refresh(bench)
    declare(bench, other)
    spaces.add(bench, "large")
    with pytest.raises(ConfigurationError, match=r"large cannot take the place of small: notes is not complete.*index"):
        spaces.promote(bench, "large")
    assert state(database, "small")[0]


def test_the_live_space_is_not_dropped_and_unknown_ones_are_named(bench: Workbench, other: EmbeddingServer) -> None:
    refresh(bench)
    declare(bench, other)
    with pytest.raises(ConfigurationError, match="small is live"):
        spaces.drop(bench, "small", by="tester", run_id="drop")
    with pytest.raises(ConfigurationError, match=r"no space 'larg'.*small \(live\)"):
        spaces.promote(bench, "larg")
    move(bench)
    spaces.drop(bench, "small", by="tester", run_id="drop")
    left = (
        "SELECT relname FROM pg_class WHERE relname ~ '_small' UNION SELECT proname FROM pg_proc "
        "WHERE proname ~ '_small' AND pronamespace = 'corpus'::regnamespace"
    )
    assert rows(bench.database, left, role=None) == []
    with pytest.raises(ConfigurationError, match=r"small was dropped by tester.*keeps large \(live\)"):
        spaces.promote(bench, "small")


def test_a_kept_space_that_is_not_declared_stops_before_anything_is_spent(
    bench: Workbench, endpoint: EmbeddingServer, other: EmbeddingServer, corpus: Path
) -> None:
    refresh(bench)
    declare(bench, other)
    spaces.add(bench, "large")
    write(corpus, "weir.md", "# Weir\n\nThe weir is closed.\n")
    endpoint.forget()
    other.forget()
    bench.spaces = {"small": bench.space("small")}
    with pytest.raises(ConfigurationError, match=r"keeps the space large.*declare large again.*space drop large"):
        refresh(bench)
    assert endpoint.requests == other.requests == []
    spaces.drop(bench, "large", by="tester", run_id="drop")
    assert refresh(bench).changed


def test_a_refused_text_is_no_obstacle_in_the_new_space(
    bench: Workbench, other: EmbeddingServer, database: Database
) -> None:
    refresh(bench)
    other.refuses = lambda text: "Grease" in text
    declare(bench, other)
    move(bench)
    assert state(database) == (True, True, len(published(database, "chunks_small")) - 1)
    assert len(published(database, "chunks_small")) == 4
    held = rows(database, "SELECT uri, reason, space FROM search.quarantine", role=None)
    assert held == [("gate.md", "endpoint_refused", "large")]


def test_a_budget_bounds_the_filling_and_the_next_refresh_goes_on(
    make_bench: MakeBench, other: EmbeddingServer, database: Database, corpus: Path
) -> None:
    for number in range(12):
        write(corpus, f"note{number}.md", f"# Note {number}\n\nLevel {number} was read today at the upper gate.\n")
    bench = make_bench()
    refresh(bench)
    notes = bench.collection("notes").model_dump() | {"budget": {"tokens_per_run": 120}}
    bench.collections = {"notes": Collection.model_validate(notes)}
    declare(bench, other, max_inputs=2)
    spaces.add(bench, "large")
    summary = refresh(bench)
    (note,) = summary.reports["vectors"].notes
    assert "budget is spent" in note
    first = state(database)[2]
    assert 0 < first < len(published(database))
    for _ in range(8):
        refresh(bench)
    assert state(database) == (False, True, len(published(database)))


def test_a_filling_that_is_stopped_goes_on_where_it_was(
    bench: Workbench, other: EmbeddingServer, database: Database, corpus: Path
) -> None:
    for number in range(30):
        write(corpus, f"note{number}.md", f"# Note {number}\n\nLevel {number} was read today.\n")
    refresh(bench)
    declare(bench, other, max_inputs=4, concurrency=2)
    spaces.add(bench, "large")
    other.forget()
    other.trouble = lambda texts: (401, {}, {"error": {"message": "no"}}) if len(other.requests) > 4 else None
    refresh(bench)
    kept = state(database)[2]
    assert 0 < kept < 34
    other.trouble = None
    refresh(bench)
    sent = [text for request in other.answered for text in request]
    assert len(sent) == len(set(sent)) == 34
    assert state(database)[1]


def test_a_filling_that_is_killed_sends_again_only_what_was_in_flight(
    bench: Workbench, database: Database, corpus: Path, tmp_path: Path
) -> None:
    for number in range(60):
        write(corpus, f"note{number}.md", f"# Note {number}\n\nLevel {number} was read today.\n")
    slow = CountingEndpoint(dimensions=48, model="new-embeddings")
    with nursery() as processes, serve(slow):
        refresh(bench)
        before = published(database)
        declare(bench, slow, max_inputs=4, concurrency=3)
        spaces.add(bench, "large")
        slow.forget()
        slow.hold_after(4)
        wanted = {name: declared.model_dump(mode="json") for name, declared in bench.spaces.items()}
        worker = processes.start(
            Job(
                str(tmp_path / "killed"),
                database.dsn,
                {"notes": bench.collection("notes").model_dump(mode="json")},
                wanted["small"],
                "notes",
                "the-filling-that-is-killed",
                lease_seconds=1.5,
                further={"large": wanted["large"]},
            )
        )
        until(lambda: len(slow.held) == 3, "three requests in flight")
        until(lambda: state(database)[2] == 16, "what was answered to be kept")
        worker.signal(signal.SIGKILL)
        in_flight = {text for request in slow.held for text in request}
        slow.let_go()
        assert published(database) == before
        bench.lease_wait_seconds = 30.0
        refresh(bench)
    twice = {text for text, times in Counter(slow.texts).items() if times > 1}
    assert (twice, len(in_flight), max(Counter(slow.texts).values())) == (in_flight, 12, 2)
    assert state(database) == (False, True, len(before))
    assert rows(database, "SELECT 1 FROM corpus.claims", role=None) == []


def test_a_chunk_that_the_new_model_does_not_read_is_cut_again_and_the_others_stay(
    make_bench: MakeBench, endpoint: EmbeddingServer, other: EmbeddingServer, database: Database, corpus: Path
) -> None:
    write(corpus, "long.md", "# Long\n\n" + " ".join(f"Sentence {n} is about the weir." for n in range(30)) + "\n")
    bench = make_bench(chunking={"max_tokens": 110, "min_tokens": 4})
    refresh(bench)
    before = dict(rows(database, "SELECT DISTINCT uri, publish FROM search.chunks"))
    stale = {text for (text,) in rows(database, "SELECT text FROM corpus.texts", role=None)}
    endpoint.forget()
    declare(bench, other, token_limit=64)
    spaces.add(bench, "large")
    other.forget()
    fill(bench)
    after = dict(rows(database, "SELECT DISTINCT uri, publish FROM search.chunks"))
    assert {uri for uri in after if after[uri] != before[uri]} == {"long.md"}
    assert published(database, "chunks_small") == published(database, "chunks_large")
    assert max(map(len, other.texts)) <= 3 * 56
    assert set(endpoint.texts) & stale == set()
    write(corpus, "longer.md", "# Longer\n\n" + " ".join(f"Phrase {n} is about a lock." for n in range(30)) + "\n")
    other.forget()
    refresh(bench)
    assert other.texts
    assert max(map(len, other.texts)) <= 3 * 56
    assert verify(bench, None, repair=False, run_id="verify") == []


def test_neither_a_promotion_nor_a_drop_cuts_anything_again(
    bench: Workbench, endpoint: EmbeddingServer, other: EmbeddingServer, database: Database, corpus: Path
) -> None:
    refresh(bench)
    sets = rows(database, "SELECT chunk_set_id FROM corpus.chunk_sets ORDER BY 1", role=None)
    declare(bench, other, tokenizer="cl100k_base", token_limit=8192)
    move(bench)
    refresh(bench)
    spaces.drop(bench, "small", by="tester", run_id="drop")
    bench.spaces = {"large": bench.space("large")}
    other.forget()
    refresh(bench)
    assert rows(database, "SELECT chunk_set_id FROM corpus.chunk_sets ORDER BY 1", role=None) == sets
    assert rows(database, "SELECT tokenizer FROM corpus.collections", role=None) == [("estimate",)]
    assert other.requests == []
    bench.rebuild = True
    summary = refresh(bench)
    assert summary.reports["chunks"].quarantined == {}, rows(
        database, "SELECT detail FROM corpus.quarantine", role=None
    )
    assert rows(database, "SELECT tokenizer FROM corpus.collections", role=None) == [(None,)]
    assert len(rows(database, "SELECT 1 FROM corpus.chunk_sets", role=None)) > len(sets)


def test_a_rollback_to_what_only_a_dropped_space_could_show_is_refused_by_name(
    bench: Workbench, other: EmbeddingServer, database: Database, corpus: Path
) -> None:
    refresh(bench)
    write(corpus, "gate.md", "# Gate\n\nAll of this is new.\n")
    refresh(bench)
    declare(bench, other)
    move(bench)
    with pytest.raises(ConfigurationError, match=r"Publish 1 of notes.*in large.*space promote small"):
        rollback(bench, "notes", 1, by="tester", run_id="back")
    spaces.promote(bench, "small")
    rollback(bench, "notes", 1, by="tester", run_id="back-1")
    assert state(database)[:2] == (False, False)
    refresh(bench)  # Pinned: nothing is published, and the space is filled with what readers see.
    assert state(database) == (False, True, len(published(database)))
    unpin(bench, "notes", run_id="unpin")
    refresh(bench)
    write(corpus, "gate.md", "# Gate\n\nAll of this is new again.\n")
    refresh(bench)
    with database.connect() as session:  # As if publish 1 had never been filled.
        session.connection.execute("DELETE FROM vectors_large WHERE text_id IN (SELECT k.text_id FROM chunks AS k "
                                   "INNER JOIN publish_changes AS c ON k.chunk_set_id = c.chunk_set_id INNER JOIN "
                                   "publishes AS p ON c.publish_id = p.publish_id WHERE p.number = 1) AND text_id NOT "
                                   "IN (SELECT k.text_id FROM chunks AS k INNER JOIN heads AS h ON k.chunk_set_id = "
                                   "h.chunk_set_id)")  # fmt: skip
    spaces.promote(bench, "large")
    spaces.drop(bench, "small", by="tester", run_id="drop")
    bench.spaces = {"large": bench.space("large")}
    with pytest.raises(ConfigurationError, match=r"Publish 1 of notes.*in large.*small.*was dropped by tester"):
        rollback(bench, "notes", 1, by="tester", run_id="back-2")


def test_verify_and_sweep_look_into_every_space(
    bench: Workbench, endpoint: EmbeddingServer, other: EmbeddingServer, database: Database, corpus: Path
) -> None:
    refresh(bench)
    declare(bench, other)
    spaces.add(bench, "large")
    fill(bench)
    endpoint.forget()
    with database.connect() as session:
        session.connection.execute("DELETE FROM vectors_large WHERE text_id = (SELECT min(text_id) FROM vectors_large)")
    (found,) = verify(bench, None, repair=False, run_id="look")
    assert (found.kind, found.count) == ("vectors_missing", 1)
    assert "large" in found.sentence
    (mended,) = verify(bench, None, repair=True, run_id="mend")
    assert mended.left == 0
    assert endpoint.requests == []
    (corpus / "gate.md").unlink()
    bench.accept_deletions = True
    refresh(bench)
    removed = sweep(bench, run_id="sweep", keep_days=0, keep_publishes=1).removed
    assert removed["vectors"] == removed["texts"] * 2 > 0
    assert verify(bench, None, repair=False, run_id="again") == []


def test_a_collection_that_comes_later_does_not_spoil_a_ready_space(
    bench: Workbench, other: EmbeddingServer, database: Database, tmp_path: Path
) -> None:
    refresh(bench)
    declare(bench, other, deadline_seconds=0.5)
    spaces.add(bench, "large")
    fill(bench)
    further = tmp_path / "further"
    write(further, "weir.md", "# Weir\n\nThe weir is closed.\n")
    notes = bench.collection("notes")
    bench.collections = {"notes": notes, "more": notes.model_copy(update={"source": str(further)})}
    other.trouble = lambda texts: (503, {}, {"error": {"message": "away"}})
    with pytest.raises(EndpointUnavailable):
        refresh(bench, "more")
    assert state(database)[1]
    other.trouble = None
    refresh(bench, "more")
    assert state(database) == (False, True, len(published(database)))


def test_the_gate_names_the_space_that_lacks_something(
    bench: Workbench, other: EmbeddingServer, database: Database, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(bench)
    declare(bench, other)
    spaces.add(bench, "large")
    fill(bench)
    before = published(database)
    write(corpus, "weir.md", "# Weir\n\nThe weir is closed.\n")
    monkeypatch.setattr("assets.vectors.stage._embed", lambda *_: None)
    monkeypatch.setattr("assets.engine.audit_stage", lambda *_: [])
    with pytest.raises(GateClosed, match="in space large"):
        refresh(bench)
    assert published(database) == before


def test_where_a_collection_is_complete_its_published_texts_are_not_read(bench: Workbench, database: Database) -> None:
    refresh(bench)
    query = "EXPLAIN (ANALYZE, COSTS OFF) SELECT 1 FROM candidate_texts(1) AS c WHERE c.collection_id = 1"
    with database.connect() as session:
        plan = [line for (line,) in session.connection.execute(query).fetchall()]
        begin = next(number for number, line in enumerate(plan) if "One-Time Filter" in line)
        assert any("never executed" in line for line in plan[begin:])
        assert not any("Function Scan" in line for line in plan)
