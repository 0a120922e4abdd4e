"""Quarantine: what a person is shown of it, what is tried again, and that only what is bad is held back."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import assets.recipes
from assets.chunks import audits as chunk_audits
from assets.elements import audits as element_audits
from assets.elements.reasons import REASONS
from assets.lease import acquire
from assets.refresh import end_refresh, open_refresh, run_stage
from assets.settings import Chunking, Collection
from assets.upkeep.retry import mark_for_retry, retry_collection
from assets.vectors import stage as vector_stage
from assets.workbench import Workbench
from resources.errors import CollectionBusy, GateClosed
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer

PROJECT = Path(__file__).resolve().parent.parent
HELD = (
    "SELECT uri, kind, ordinal, stage, reason, attempts, published, space FROM search.quarantine "
    "ORDER BY collection, uri, ordinal"
)


def held(database: Database) -> list[tuple[Any, ...]]:
    """Return the quarantine as the pipeline's role sees it."""
    return rows(database, HELD, role="pipeline")


def retry(bench: Workbench, **which: str) -> int:
    """Mark, as `suimon retry --mark-only` does."""
    return retry_collection(bench, "notes", "a-person", **which)


def change(database: Database, statement: str) -> None:
    """Alter the database behind the product's back."""
    with database.connect(role=None) as session:
        session.connection.execute(statement.encode())


def test_sql_and_docs_tell_the_same_reasons_as_the_code(database: Database) -> None:
    told = dict(rows(database, "SELECT reason, message FROM corpus.quarantine_reasons", role="pipeline"))
    assert told == REASONS
    page = (PROJECT / "docs" / "quarantine.md").read_text("utf-8")
    documented = {
        code: f"{what}; {todo}".replace("`", "")
        for code, what, todo in re.findall(r"^\| `(\w+)` \| [\w ]+ \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    }
    assert documented == {code: told for code, told in REASONS.items() if code != "changed_while_reading"}
    for sentence in REASONS.values():
        assert "; " in sentence
        assert not sentence.endswith(".")


def test_every_reason_that_an_audit_gives_is_in_the_list() -> None:
    chunking = Chunking.model_validate({})
    audits = (*element_audits.suite().audits, *chunk_audits.suite(chunking).audits)
    given_by_audits = {audit.reason for audit in audits if audit.finding == "quarantine"}
    sources = [path.read_text("utf-8") for path in (PROJECT / "assets").rglob("*.py")]
    written = {code for text in sources for code in re.findall(r'"reason": "(\w+)"', text)}
    assert given_by_audits | written <= set(REASONS)


def test_the_view_shows_documents_and_chunks_with_a_sentence_and_no_text(
    bench: Workbench, corpus: Path, endpoint: EmbeddingServer, database: Database
) -> None:
    refresh(bench)
    write(corpus, "blank.txt", " ")
    write(corpus, "tides.txt", "\n")
    write(corpus, "poison.txt", "A sentence full of poison.\n")
    endpoint.refuses = lambda text: "poison" in text
    refresh(bench)
    assert held(database) == [
        ("blank.txt", "document", None, "elements audit", "no_text", 1, False, None),
        ("poison.txt", "chunk", 0, "vectors", "endpoint_refused", 1, True, "small"),
        ("tides.txt", "document", None, "elements audit", "no_text", 1, True, None),
    ]
    messages = dict(rows(database, "SELECT reason, message FROM search.quarantine", role="pipeline"))
    assert messages["no_text"] == "It has no text; supply some, or leave it out."
    whole = rows(database, "SELECT to_jsonb(q)::text FROM search.quarantine AS q", role="pipeline")
    change(
        database,
        "INSERT INTO corpus.vectors_small (text_id, embedding) SELECT f.text_id, v.embedding FROM corpus.text_failures "
        "AS f CROSS JOIN (SELECT embedding FROM corpus.vectors_small LIMIT 1) AS v",
    )
    assert [row[1] for row in held(database)] == ["document", "document"]  # Somebody else has embedded it meanwhile.
    assert not any("sentence full" in str(row) for row in whole)
    assert rows(
        database,
        "SELECT has_table_privilege('suimon_pipeline', 'search.quarantine', 'SELECT'), "
        "has_table_privilege('suimon_reader', 'search.quarantine', 'SELECT'), "
        "has_table_privilege('suimon_reader', 'search.costs', 'SELECT')",
        role=None,
    ) == [(True, False, False)]


def test_every_column_of_the_public_views_is_explained(database: Database) -> None:
    unexplained = rows(
        database,
        "SELECT c.relname, a.attname FROM pg_class AS c INNER JOIN pg_attribute AS a ON a.attrelid = c.oid "
        "WHERE c.oid IN ('search.quarantine'::regclass, 'search.costs'::regclass) AND a.attnum > 0 "
        "AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)",
        role=None,
    )
    assert unexplained == []


def test_the_view_shows_only_what_counts_now(bench: Workbench, corpus: Path, database: Database) -> None:
    for name in ("changed.txt", "gone.txt", "asked.txt"):
        write(corpus, name, " ")
    refresh(bench)
    assert [row[0] for row in held(database)] == ["asked.txt", "changed.txt", "gone.txt"]
    assert retry(bench, uri="asked.txt") == 1
    assert [row[0] for row in held(database)] == ["changed.txt", "gone.txt"]
    write(corpus, "changed.txt", "Now there is a sentence.\n")
    (corpus / "gone.txt").unlink()
    refresh(bench)
    assert [(row[0], row[5]) for row in held(database)] == [("asked.txt", 2)]
    kept = rows(database, "SELECT count(*) FROM corpus.quarantine", role=None)
    assert kept == [(3,)]
    older = "INSERT INTO corpus.recipes (stage, declared, versions, details) VALUES ('elements', '', 'older', '{}') "
    update = "UPDATE corpus.quarantine AS q SET recipe_id = r.recipe_id FROM r"
    change(database, f"WITH r AS ({older} RETURNING recipe_id) {update}")
    assert held(database) == []


def test_a_refused_chunk_of_a_candidate_is_shown_before_anything_is_published(
    bench: Workbench, corpus: Path, endpoint: EmbeddingServer, database: Database
) -> None:
    for number in range(4):
        write(corpus, f"poison{number}.txt", f"Poison number {number}.\n")
    endpoint.refuses = lambda text: "Poison" in text
    with pytest.raises(GateClosed, match="refused 4 of"):
        refresh(bench)
    assert [(row[0], row[1], row[6]) for row in held(database)] == [
        (f"poison{number}.txt", "chunk", False) for number in range(4)
    ]
    assert retry(bench) == 4
    endpoint.refuses = lambda text: False
    endpoint.forget()
    refresh(bench)
    assert sorted(endpoint.texts) == [f"Poison number {number}." for number in range(4)]
    assert held(database) == []
    assert rows(database, "SELECT count(*) FROM corpus.wanted_texts", role=None) == [(0,)]


def test_a_retry_sends_the_refused_text_of_a_published_document_and_nothing_else(
    bench: Workbench, corpus: Path, endpoint: EmbeddingServer, database: Database
) -> None:
    endpoint.refuses = lambda text: "noon" in text
    write(corpus, "tides.md", "# High\n\nHigh tide is at six.\n\n# Low\n\nLow tide is at noon.\n")
    (corpus / "tides.txt").unlink()
    bench = _with_chunking(bench, min_tokens=0)
    refresh(bench)
    assert rows(database, "SELECT ordinal FROM search.chunks WHERE uri = 'tides.md'") == [(0,)]
    assert held(database) == [("tides.md", "chunk", 1, "vectors", "endpoint_refused", 1, True, "small")]
    endpoint.refuses = lambda text: False
    endpoint.forget()
    assert not refresh(bench).changed
    assert endpoint.texts == []
    assert retry(bench, uri="tides.md") == 1
    assert refresh(bench).reports["vectors"].counts["embedded"] == 1
    assert len(endpoint.texts) == 1
    assert "noon" in endpoint.texts[0]
    assert rows(database, "SELECT ordinal FROM search.chunks WHERE uri = 'tides.md' ORDER BY ordinal") == [(0,), (1,)]
    assert held(database) == []
    assert rows(database, "SELECT count(*) FROM corpus.wanted_texts", role=None) == [(0,)]
    endpoint.forget()
    assert not refresh(bench).changed
    assert endpoint.texts == []


def test_many_chunks_that_are_refused_again_leave_the_collection_as_it_was_and_count_up(
    make_bench: Callable[..., Workbench], corpus: Path, endpoint: EmbeddingServer, database: Database
) -> None:
    for number in range(4):
        write(corpus, f"line{number}.txt", f"Line number {number} is about something else.\n")
    endpoint.refuses = lambda text: "Line" in text
    refresh(make_bench(limits={"quarantined_share": 1}))
    bench = make_bench()
    refresh(bench)
    assert [row[5] for row in held(database)] == [1, 1, 1, 1]
    first_seen = rows(database, "SELECT min(first_seen) FROM search.quarantine", role="pipeline")
    for attempt in (2, 3):
        assert retry(bench) == 4
        endpoint.forget()
        refresh(bench)  # The limit on refused texts is about what would be published, which is nothing here.
        assert set(endpoint.texts) == {f"Line number {n} is about something else." for n in range(4)}
        assert [row[5] for row in held(database)] == [attempt] * 4
    assert rows(database, "SELECT min(first_seen) FROM search.quarantine", role="pipeline") == first_seen
    assert rows(database, "SELECT count(*) FROM corpus.wanted_texts", role=None) == [(0,)]
    assert rows(database, "SELECT count(DISTINCT uri) FROM search.chunks") == [(3,)]


def test_a_text_that_two_collections_show_is_wanted_by_both_and_paid_for_once(
    bench: Workbench, corpus: Path, endpoint: EmbeddingServer, database: Database
) -> None:
    other = dataclasses.replace(bench, collections={**bench.collections, "copies": bench.collections["notes"]})
    other.__dict__["parser_pool"] = bench.parser_pool
    endpoint.refuses = lambda text: "noon" in text
    for name in ("notes", "copies"):
        refresh(other, name)
    assert [row[:2] for row in held(database)] == [("tides.txt", "chunk")] * 2
    assert retry(other) == 1
    wanted = rows(database, "SELECT count(*) FROM corpus.wanted_texts", role=None)
    assert wanted == [(2,)]
    endpoint.refuses = lambda text: False
    endpoint.forget()
    for name in ("notes", "copies"):
        refresh(other, name)
    assert len(endpoint.texts) == 1
    assert rows(database, "SELECT collection FROM search.chunks WHERE uri = 'tides.txt' ORDER BY 1") == [
        ("copies",),
        ("notes",),
    ]
    assert held(database) == []


def test_a_file_that_would_not_parse_is_tried_once_more_when_a_person_asks(
    bench: Workbench, corpus: Path, database: Database
) -> None:
    write(corpus, "tool.bin", bytes(range(256)) * 4)
    refresh(bench)
    assert retry(bench) == 1
    refresh(bench)
    assert held(database) == [("tool.bin", "document", None, "elements", "unsupported_format", 2, False, None)]
    assert not refresh(bench).changed
    assert held(database)[0][5] == 2


def test_a_file_that_was_too_large_is_read_once_the_limit_is_raised_and_a_person_asks(
    make_bench: Callable[..., Workbench], corpus: Path, database: Database
) -> None:
    write(corpus, "long.txt", "The gate is high and the water is low. " * 40)
    refresh(make_bench(limits={"max_file_mb": 0.001}))
    assert [row[4] for row in held(database)] == ["too_large"]
    bench = make_bench()
    refresh(bench)
    assert [row[4] for row in held(database)] == ["too_large"]
    assert retry(bench, reason="too_large") == 1
    refresh(bench)
    assert held(database) == []
    assert rows(database, "SELECT count(*) > 0 FROM search.chunks WHERE uri = 'long.txt'") == [(True,)]


def test_what_is_held_back_is_tried_again_by_itself_when_the_recipe_changes(
    bench: Workbench, corpus: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(corpus, "blank.txt", " ")
    refresh(bench)
    monkeypatch.setattr(assets.recipes, "PARSE_CODE_VERSION", "a later one")
    assets.recipes.parse_recipe.cache_clear()
    try:
        refresh(bench)
    finally:
        monkeypatch.undo()
        assets.recipes.parse_recipe.cache_clear()
    assert [(row[0], row[5]) for row in held(database)] == [("blank.txt", 2)]


def test_a_retry_chooses_by_document_stage_and_reason(
    bench: Workbench, corpus: Path, endpoint: EmbeddingServer, database: Database
) -> None:
    write(corpus, "blank.txt", " ")
    write(corpus, "tool.bin", bytes(range(256)) * 4)
    endpoint.refuses = lambda text: "noon" in text
    refresh(bench)
    with database.connect() as session:
        number = int(session.value("refresh/read_collection", {"name": "notes"}))
        choices: list[tuple[dict[str, str], int]] = [
            ({"uri": "no-such.txt"}, 0),
            ({"uri": "blank.txt", "stage": "elements"}, 0),
            ({"reason": "endpoint_refused", "stage": "elements"}, 0),
            ({"uri": "blank.txt"}, 1),
            ({"uri": "blank.txt"}, 0),
            ({"stage": "vectors"}, 1),
            ({"reason": "unsupported_format"}, 1),
            ({}, 0),
        ]
        for which, expected in choices:
            assert mark_for_retry(session, number, **which) == expected, which
    assert held(database) == []


def test_nothing_marked_leaves_a_converged_collection_converged(bench: Workbench, database: Database) -> None:
    refresh(bench)
    assert retry(bench) == 0
    assert rows(database, "SELECT converged IS NOT NULL FROM corpus.collections", role=None) == [(True,)]


def test_a_retry_beside_a_refresh_waits_and_says_so(bench: Workbench, corpus: Path, database: Database) -> None:
    write(corpus, "blank.txt", " ")
    refresh(bench)
    bench.lease_wait_seconds = 0.3
    with database.connect() as session:
        number = int(session.value("refresh/read_collection", {"name": "notes"}))
        lease = acquire(database, session, number, "a-refresh", seconds=30, wait=1)
        with pytest.raises(CollectionBusy, match="a-refresh"):
            retry(bench)
        assert len(held(database)) == 1
        lease.release()
    assert retry(bench) == 1


def test_refresh_with_retry_tries_everything_of_its_collection(
    bench: Workbench, corpus: Path, endpoint: EmbeddingServer, database: Database
) -> None:
    write(corpus, "blank.txt", " ")
    endpoint.refuses = lambda text: "noon" in text
    refresh(bench)
    endpoint.refuses = lambda text: False
    endpoint.forget()
    bench.retry = True
    refresh(bench)
    assert len(endpoint.texts) == 1
    assert [(row[0], row[5]) for row in held(database)] == [("blank.txt", 2)]
    assert rows(database, "SELECT count(*) FROM search.chunks WHERE uri = 'tides.txt'") == [(1,)]


def _with_chunking(bench: Workbench, **chunking: int) -> Workbench:
    declared = bench.collections["notes"].model_dump()
    declared["chunking"] |= chunking
    changed = dataclasses.replace(bench, collections={"notes": Collection.model_validate(declared)})
    changed.__dict__["parser_pool"] = bench.parser_pool
    return changed


BATCH = 16


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(count=BATCH, bad={5}, seed=0)
@example(count=BATCH, bad=set(range(BATCH)), seed=0)
@given(st.integers(1, 40), st.sets(st.integers(0, 39), max_size=5), st.integers(1, 1_000_000))
def test_only_the_poison_of_a_batch_is_held_back_and_halving_finds_it(
    make_bench: Callable[..., Workbench],
    endpoint: EmbeddingServer,
    database: Database,
    count: int,
    bad: set[int],
    seed: int,
) -> None:
    """With k poisonous of n texts in a batch, at most 1 + 2 k log2(n) requests."""
    bench = make_bench(space={"max_inputs": BATCH})
    endpoint.refuses = lambda text: "poison" in text
    if not rows(database, "SELECT 1 FROM corpus.spaces", role=None):
        refresh(bench)
    poison = [number in bad for number in range(count)]
    texts = [f"{'poison' if spoilt else 'honey'} {seed} {number}" for number, spoilt in enumerate(poison)]
    _want(database, texts)
    endpoint.forget()
    with open_refresh(bench, "notes", f"poison-{seed}-{len(poison)}") as opened:
        report = run_stage(opened, "vectors", vector_stage.run)
    end_refresh(bench, "notes", "done")
    batches = [poison[start : start + BATCH] for start in range(0, len(poison), BATCH)]
    allowed = sum(1 + 2 * sum(batch) * math.ceil(math.log2(len(batch))) for batch in batches)
    assert len(endpoint.requests) <= allowed
    assert report.counts["refused"] == sum(poison)
    assert report.counts["embedded"] == len(poison) - sum(poison)
    refused = rows(
        database, "SELECT t.text FROM corpus.text_failures JOIN corpus.texts AS t USING (text_id)", role=None
    )
    assert {text for (text,) in refused} == {text for text in texts if text.startswith("poison")}
    embedded = rows(
        database, "SELECT t.text FROM corpus.vectors_small JOIN corpus.texts AS t USING (text_id)", role=None
    )
    assert {text for text in texts if text.startswith("honey")} <= {text for (text,) in embedded}
    change(database, "DELETE FROM corpus.wanted_texts; DELETE FROM corpus.text_failures")


def _want(database: Database, texts: list[str]) -> None:
    """Have texts embedded as if published documents had lost their vectors."""
    with database.connect() as session:
        for text in texts:
            session.connection.execute(
                "WITH made AS (INSERT INTO texts (hash, text, tokens) VALUES (%s, %s, 4) ON CONFLICT (hash) DO UPDATE "
                "SET tokens = 4 RETURNING text_id), gone AS (DELETE FROM vectors_small AS v USING made WHERE "
                "v.text_id = made.text_id) INSERT INTO wanted_texts SELECT c.collection_id, m.text_id, 1 FROM made AS "
                "m CROSS JOIN collections AS c",
                [hashlib.sha256(text.encode()).digest(), text],
            )
        session.connection.execute("UPDATE collections SET converged = null")
