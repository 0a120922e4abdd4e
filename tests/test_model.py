"""The whole product against a model of thirty lines: edits, refreshes, failures, rollbacks and garbage collections.

Hypothesis makes the histories. `make model STEPS=3000` runs them longer; the short form is part of the tests.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fsspec.utils import glob_translate
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from assets.engine import refresh_collection
from assets.publication.rollback import list_publishes, rollback, unpin
from assets.readers import apply_readers
from assets.settings import Collection, Space
from assets.upkeep.sweep import sweep
from assets.workbench import Doors, Workbench
from resources import failpoints
from resources.errors import SuimonError
from resources.parser_pool import ParserPool
from resources.postgres import Database
from tests.conftest import rows, write
from tests.fakes.embedding_server import EmbeddingServer, serve
from tests.fakes.http_wire import Answer
from tests.worlds import assert_counted

SHORT = 60
STEPS = int(os.environ.get("SUIMON_MODEL_STEPS", SHORT))
STEPS_A_HISTORY = 20
"""Hypothesis begins with the simplest history, which proves little: several short ones find more than one long one."""
URIS = ("a.txt", "b.txt", "c/d.txt", "水門.txt", "it's; DROP.txt")
CONTENTS = (
    "High tide is at six.",
    "Low tide is at noon.",
    "水位が高いときは水門を開ける。",
    "点検は毎月行う。",
    "Grease it.",
)
POINTS = sorted(
    name for name in failpoints.REGISTRY if not name.startswith(("sweep", "erase", "rollback", "refresh.cl"))
)
_runs = count()


RULES: tuple[dict[str, Any], ...] = (
    {"path": "*.txt", "readers": []},
    {"path": "c/**", "readers": []},
    {"path": "水門*", "readers": ["suimon_reader"]},
    {"metadata": {"name": "a.txt"}, "readers": ["suimon_reader"]},
    {"metadata": {"name": "b.txt"}, "readers": []},
)


class Interrupted(Exception):
    """What a failpoint raises."""


@dataclass
class Model:
    """What ought to be true.

    Attributes:
        corpus: what the folder holds: content by uri.
        prepared: what the last whole refresh found.
        shown: what readers see.
        states: what each publish showed, by number; collected ones are taken out.
        vectors: texts that have a vector for certain.
        pinned: the publish that a rollback went back to.
        rules: who may read what; the first that fits decides.
    """

    corpus: dict[str, str] = field(default_factory=dict)
    prepared: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    states: dict[int, dict[str, str]] = field(default_factory=dict)
    vectors: set[str] = field(default_factory=set)
    pinned: int | None = None
    rules: list[dict[str, Any]] = field(default_factory=list)
    publishes: int = 0

    def readable(self, uri: str) -> bool:
        """Whether every reader may read a document."""
        for asked in self.rules:
            by_path = "path" not in asked or re.match(glob_translate(asked["path"]), uri)
            if by_path and asked.get("metadata", {}).get("name") in {None, uri.rpartition("/")[2]}:
                return bool(asked["readers"])
        return True

    @property
    def unsettled(self) -> bool:
        """Whether a refresh has something to do."""
        return self.corpus != self.prepared or (self.pinned is None and self.corpus != self.shown)

    def publish(self, state: dict[str, str]) -> None:
        """Show a state, as a publish of its own if it is another one than before."""
        if state != self.shown:
            self.publishes += 1
            self.states[self.publishes] = dict(state)
            self.shown = dict(state)

    def collect(self, keep: int) -> None:
        """Forget the states that a garbage collection does not keep: those before the oldest that it has to."""
        oldest = min(self.publishes - keep + 1, self.pinned or self.publishes)
        self.states = {number: state for number, state in self.states.items() if number >= oldest}


class History(RuleBasedStateMachine):
    """Random histories of one collection."""

    make_bench: Callable[[Path, EmbeddingServer], tuple[Workbench, Database, Path]]

    @initialize()
    def begin(self) -> None:
        self.model = Model()
        self.serving = serve(EmbeddingServer())
        self.endpoint = self.serving.__enter__()
        self.bench, self.database, self.folder = type(self).make_bench(self.endpoint)  # type: ignore[call-arg, arg-type]
        self.bench.accept_deletions = self.bench.accept_growth = True
        for uri, content in zip(URIS[:3], CONTENTS, strict=False):
            self.edit({uri: content})
        self.refresh()

    def teardown(self) -> None:
        failpoints.install(None)
        if hasattr(self, "serving"):
            self.serving.__exit__(None, None, None)

    @rule(rules=st.lists(st.sampled_from(RULES), max_size=3))
    def declare_readers(self, rules: list[dict[str, Any]]) -> None:
        """Say anew who may read what; it holds at once, and no refresh has anything to do for it."""
        declared = self.bench.collection("notes").model_dump(mode="json", exclude_unset=True) | {
            "document_readers": rules
        }
        self.bench.collections = {"notes": Collection.model_validate(declared)}
        with self.database.connect() as session:
            row = session.record("refresh/read_collection", {"name": "notes"})
            apply_readers(session, row["collection_id"], self.bench.collection("notes"), row["readers_digest"])
        self.model.rules = rules

    @rule(changes=st.dictionaries(st.sampled_from(URIS), st.sampled_from(CONTENTS), min_size=1, max_size=3))
    def edit(self, changes: dict[str, str]) -> None:
        for uri, content in changes.items():
            write(self.folder, uri, content + "\n")
        self.model.corpus |= changes

    @precondition(lambda self: self.model.corpus)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        uri = data.draw(st.sampled_from(sorted(self.model.corpus)))
        (self.folder / uri).unlink()
        del self.model.corpus[uri]

    @precondition(lambda self: self.model.corpus)
    @rule(data=st.data(), new=st.sampled_from(URIS))
    def rename(self, data: st.DataObject, new: str) -> None:
        uri = data.draw(st.sampled_from(sorted(self.model.corpus)))
        if new != uri:
            write(self.folder, new, self.model.corpus[uri] + "\n")
            (self.folder / uri).unlink()
            self.model.corpus[new] = self.model.corpus.pop(uri)

    @precondition(lambda self: self.model.unsettled)
    @rule()
    def refresh(self) -> None:
        self.endpoint.forget()
        refresh_collection(self.bench, "notes", f"run-{next(_runs)}")
        sent = [text for text in self.endpoint.texts if text in CONTENTS]
        assert len(sent) == len(set(sent))
        wanted = set(self.model.corpus.values())
        assert not set(sent) & self.model.vectors, "a text that had a vector was paid for again"
        assert set(sent) <= wanted
        self.model.vectors |= wanted
        if self.model.pinned is None:
            self.model.publish(self.model.corpus)
        self.model.prepared = dict(self.model.corpus)
        assert self._every_publish_is_written_down()

    @precondition(lambda self: not self.model.unsettled)
    @rule()
    def refresh_with_nothing_to_do(self) -> None:
        self.endpoint.forget()
        assert not refresh_collection(self.bench, "notes", f"run-{next(_runs)}").changed
        assert self.endpoint.texts == []
        assert self._every_publish_is_written_down()

    @precondition(lambda self: self.model.corpus not in (self.model.shown, self.model.prepared))
    @rule(point=st.sampled_from(POINTS), nth=st.integers(1, 2))
    def refresh_that_fails(self, point: str, nth: int) -> None:
        """Raise at a failpoint: readers see the state before or, if the flip was committed, the one after."""
        reached = count(1)

        def hook(name: str) -> None:
            if name == point and next(reached) == nth:
                raise Interrupted(name)

        self.endpoint.forget()
        failpoints.install(hook)
        try:
            refresh_collection(self.bench, "notes", f"run-{next(_runs)}")
        except (Interrupted, BaseExceptionGroup):
            pass
        finally:
            failpoints.install(None)
        sent = {text for text in self.endpoint.texts if text in CONTENTS}
        assert not sent & self.model.vectors
        self._look_at_what_was_kept()

    @precondition(lambda self: self.model.corpus not in (self.model.shown, self.model.prepared))
    @rule(answers=st.integers(0, 2))
    def refresh_while_the_endpoint_refuses(self, answers: int) -> None:
        self.endpoint.forget()
        refusal: Answer = (402, {}, {"error": {"message": "no more"}})
        self.endpoint.script = [*[None] * answers, *[refusal] * 50]
        try:
            refresh_collection(self.bench, "notes", f"run-{next(_runs)}")
        except SuimonError:
            pass
        finally:
            self.endpoint.script = []
        self._look_at_what_was_kept()

    def _look_at_what_was_kept(self) -> None:
        """After a failure the model learns which texts are paid for, and whether the flip had been committed."""
        if rows(self.database, "SELECT count(*) FROM corpus.spaces", role=None) == [(0,)]:
            return
        kept = rows(
            self.database,
            "SELECT t.text FROM corpus.texts AS t INNER JOIN corpus.vectors_small USING (text_id)",
            role=None,
        )
        assert self.model.vectors <= {text for (text,) in kept}, "a vector was lost"
        self.model.vectors = {text for (text,) in kept}
        if self.model.pinned is None and self._shown() == self.model.corpus:
            self.model.publish(self.model.corpus)

    @precondition(lambda self: self.model.publishes > 1)
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.states)))
        cut_off = data.draw(st.booleans(), label="cut off after its flip")
        if cut_off:

            def cut(name: str) -> None:
                if name == "rollback.committed":
                    raise Interrupted

            failpoints.install(cut)
        try:
            with contextlib.suppress(Interrupted):
                rollback(self.bench, "notes", number, by="model", run_id=f"run-{next(_runs)}")
        finally:
            failpoints.install(None)
        assert self._every_publish_is_written_down() is not cut_off
        self.model.publishes += 1
        self.model.shown = dict(self.model.states[number])
        self.model.states[self.model.publishes] = dict(self.model.shown)
        self.model.pinned = number

    @precondition(lambda self: self.model.pinned is not None)
    @rule()
    def let_go(self) -> None:
        assert unpin(self.bench, "notes", run_id=f"run-{next(_runs)}")
        self.model.pinned = None
        assert self._every_publish_is_written_down()

    @precondition(lambda self: self.model.publishes > 1)
    @rule(keep=st.integers(1, 3))
    def collect_garbage(self, keep: int) -> None:
        sweep(self.bench, run_id=f"run-{next(_runs)}", keep_days=0, keep_publishes=keep)
        self.model.collect(keep)
        if not self._has_space():
            return
        reached = {text for state in self.model.states.values() for text in state.values()} | set(
            self.model.shown.values()
        )
        left = {
            text
            for (text,) in rows(
                self.database,
                "SELECT t.text FROM corpus.texts AS t INNER JOIN corpus.vectors_small USING (text_id)",
                role=None,
            )
        }
        assert reached & self.model.vectors <= left, "a text that a kept publish shows was collected"
        present = {row[0] for row in rows(self.database, PRESENT, role=None)}
        assert left <= reached | present, "garbage was left"
        self.model.vectors = left

    def _every_publish_is_written_down(self) -> bool:
        return rows(self.database, "SELECT FROM corpus.publishes WHERE NOT written_down", role=None) == []

    def _has_space(self) -> bool:
        return rows(self.database, "SELECT count(*) FROM corpus.spaces", role=None) != [(0,)]

    def _shown(self) -> dict[str, str]:
        if not self._has_space():
            return {}
        return self._seen(None)

    def _seen(self, role: str | None) -> dict[str, str]:
        return {uri: text.strip() for uri, text in rows(self.database, "SELECT uri, text FROM search.chunks", role)}

    @invariant()
    def readers_see_what_was_published_last(self) -> None:
        if hasattr(self, "model"):
            assert self._shown() == self.model.shown

    @invariant()
    def each_reader_sees_what_the_rules_say_and_every_term_is_counted(self) -> None:
        if hasattr(self, "model") and self._has_space():
            shown = self.model.shown.items()
            assert self._seen("reader") == {uri: text for uri, text in shown if self.model.readable(uri)}
            assert_counted(self.database)

    @invariant()
    def the_publishes_that_can_be_brought_back_are_those_that_are_kept(self) -> None:
        if hasattr(self, "model") and self.model.publishes:
            with self.database.connect() as session:
                found = list_publishes(session, "notes")
            assert {publish.number for publish in found if publish.kept} == set(self.model.states)
            assert max(publish.number for publish in found) == self.model.publishes


PRESENT = """
SELECT t.text FROM corpus.documents AS d
INNER JOIN corpus.elements AS e ON d.content_hash = e.content_hash AND d.format = e.format
INNER JOIN corpus.chunk_sets AS s ON e.elements_id = s.elements_id
INNER JOIN corpus.chunks AS k ON s.chunk_set_id = k.chunk_set_id
INNER JOIN corpus.texts AS t ON k.text_id = t.text_id
WHERE d.vanished_at IS null
"""
"""Texts of what the last scan saw: a refresh that was stopped may have prepared them."""


def test_no_history_leads_the_product_away_from_its_model(
    make_database: Callable[..., Database],
    template: str,
    parser_pool: ParserPool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def make(endpoint: EmbeddingServer) -> tuple[Workbench, Database, Path]:
        database = make_database(template)
        folder = tmp_path_factory.mktemp("model")
        corpus = folder / "corpus"
        corpus.mkdir()
        bench = Workbench(
            collections={"notes": Collection.model_validate({"source": str(corpus)})},
            spaces={
                "small": Space.model_validate(
                    {
                        "base_url": endpoint.url,
                        "model": "fake",
                        "max_inputs": 1,
                        "concurrency": 1,
                        "deadline_seconds": 5,
                    }
                )
            },
            root=folder,
            doors=Doors(lambda: database.dsn, lambda: endpoint.url),
            state_folder=folder / "state",
        )
        bench.__dict__["parser_pool"] = parser_pool
        return bench, database, corpus

    histories = max(1, STEPS // STEPS_A_HISTORY)
    machine: Any = type("Histories", (History,), {"make_bench": staticmethod(make)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=STEPS_A_HISTORY,
            deadline=timedelta(minutes=10),
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate, *([Phase.shrink] if STEPS > SHORT else [])),
            derandomize=STEPS == SHORT,  # What is new is found by `make model`, and holds up nobody else's change.
        ),
    )
