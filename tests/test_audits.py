"""Audits, quarantine and the gate, on real Postgres with real Great Expectations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.auditing.expectations import Measured, sqlalchemy_url
from assets.auditing.suite import Audit
from assets.engine import refresh_collection
from assets.publication.gate import Accepted, GateFacts, SpaceFacts, findings, overruled
from assets.refresh import open_refresh, run_stage
from assets.settings import Limits
from assets.workbench import Workbench
from resources.errors import GateClosed
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes import counted_audits
from tests.fakes.embedding_server import EmbeddingServer
from tests.fakes.http_wire import Answer

pytestmark = pytest.mark.great_expectations

SECRET = "xylophone-4711"


def test_audits_pass_and_are_recorded_so_that_they_run_once(bench: Workbench, database: Database) -> None:
    summary = refresh(bench)
    looked_at = {result.audit.name: result.rows for stage in summary.audits.values() for result in stage}
    assert looked_at["chunks_cover_the_text"] == 3
    assert looked_at["every_chunk_has_a_vector"] > 0
    passes = rows(database, "SELECT count(*) FROM corpus.chunk_set_passes", role=None)
    assert passes == [(3,)]


def test_a_document_without_text_is_quarantined_and_holds_nobody_back(
    bench: Workbench, corpus: Path, database: Database
) -> None:
    write(corpus, "blank.txt", "   \n\n")
    refresh(bench)
    assert rows(database, "SELECT count(DISTINCT uri) FROM search.chunks") == [(3,)]
    held = rows(database, "SELECT reason, stage, attempts FROM corpus.quarantine", role=None)
    assert held == [("no_text", "elements audit", 1)]


def test_a_file_of_no_known_format_is_quarantined_with_a_reason(
    bench: Workbench, corpus: Path, database: Database
) -> None:
    write(corpus, "tool.bin", bytes(range(256)) * 4)
    refresh(bench)
    assert rows(database, "SELECT reason FROM corpus.quarantine", role=None) == [("unsupported_format",)]


def test_a_quarantined_document_is_tried_again_when_its_bytes_change(
    bench: Workbench, corpus: Path, database: Database
) -> None:
    write(corpus, "blank.txt", " ")
    refresh(bench)
    write(corpus, "blank.txt", "Now there is a sentence.")
    refresh(bench)
    assert rows(database, "SELECT count(*) FROM search.chunks WHERE uri = 'blank.txt'") == [(1,)]


def test_the_old_version_stays_visible_while_the_new_one_is_in_quarantine(
    bench: Workbench, corpus: Path, database: Database
) -> None:
    refresh(bench)
    write(corpus, "tides.txt", "\n")
    refresh(bench)
    assert rows(database, "SELECT text FROM search.chunks WHERE uri = 'tides.txt'") == [
        ("High tide is at six. Low tide is at noon.",)
    ]


def test_a_quarantined_document_is_tried_again_when_a_person_asks(
    bench: Workbench, corpus: Path, database: Database
) -> None:
    write(corpus, "blank.txt", " ")
    refresh(bench)
    assert not refresh(bench).changed
    bench.retry = True
    assert refresh(bench).audits["elements"]
    assert rows(database, "SELECT reason, attempts, retry FROM corpus.quarantine", role=None) == [("no_text", 2, False)]


def test_a_document_that_could_not_be_fetched_is_not_forgotten(
    bench: Workbench, corpus: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(bench)
    write(corpus, "late.txt", "This one comes late.\n")

    def gone(*_: object) -> object:
        raise OSError("the network share went away")

    with monkeypatch.context() as patch:
        patch.setattr("resources.sources.LocalFolder.fetch", gone)
        assert refresh(bench).reports["elements"].counts["deferred"] == 1
    refresh(bench)
    assert rows(database, "SELECT count(*) FROM search.chunks WHERE uri = 'late.txt'") == [(1,)]


def test_too_many_quarantined_documents_stop_the_publish(bench: Workbench, corpus: Path, database: Database) -> None:
    for number in range(4):
        write(corpus, f"bad{number}.bin", bytes([0, 1, 2, number]) * 50)
    for _ in range(2):
        with pytest.raises(GateClosed, match="few_documents_would_not_parse"):
            refresh(bench)
    assert rows(database, "SELECT count(*) FROM corpus.heads", role=None) == [(0,)]


def test_an_emptied_source_changes_nothing_until_somebody_confirms(
    bench: Workbench, corpus: Path, database: Database
) -> None:
    refresh(bench)
    for path in corpus.iterdir():
        path.unlink()
    for _ in range(2):  # The second time, too: the state decides, not the event.
        with pytest.raises(GateClosed):
            refresh(bench)
    assert rows(database, "SELECT count(DISTINCT uri) FROM search.chunks") == [(3,)]
    bench.accept_deletions = True
    refresh(bench)
    assert rows(database, "SELECT count(*) FROM search.chunks") == [(0,)]
    counts = rows(
        database, "SELECT counts ->> 'accepted_deletions' FROM search.publishes ORDER BY publish DESC LIMIT 1"
    )
    assert counts == [("true",)]


def test_a_few_vanished_documents_go_at_the_next_publish(
    make_bench: Callable[..., Workbench], corpus: Path, database: Database
) -> None:
    bench = make_bench(limits={"vanished_share": 0.5})
    refresh(bench)
    (corpus / "tides.txt").unlink()
    refresh(bench)
    assert rows(database, "SELECT count(DISTINCT uri) FROM search.chunks") == [(2,)]


def test_the_gate_does_not_trust_the_scheduler(bench: Workbench, database: Database) -> None:
    """Stages without their checks, as a scheduler might run them: nothing becomes visible."""
    from assets.engine import STAGES

    with pytest.raises(GateClosed, match="have no recorded pass"), open_refresh(bench, "notes", "no-checks") as opened:
        for name, stage in STAGES.items():
            run_stage(opened, name, stage)
    assert rows(database, "SELECT count(*) FROM corpus.heads", role=None) == [(0,)]
    refresh_collection(bench, "notes", "with-checks")
    assert rows(database, "SELECT count(*) FROM corpus.heads", role=None) == [(3,)]


def test_vectors_that_are_all_the_same_are_not_published(
    bench: Workbench, corpus: Path, endpoint: EmbeddingServer, database: Database
) -> None:
    def collapse(proper: Answer) -> Answer:
        status, headers, body = proper
        for item in body["data"]:
            item["embedding"] = body["data"][0]["embedding"]
        return status, headers, body

    for number in range(8):
        write(corpus, f"more{number}.txt", f"Line number {number} is about something else.\n")
    # The probe asks three times: dimensions, then batch size and truncation side by side.
    endpoint.script = [None, None, None, *[collapse] * 50]
    with pytest.raises(GateClosed, match="vectors_are_not_collapsed"):
        refresh(bench)
    assert rows(database, "SELECT count(*) FROM corpus.heads", role=None) == [(0,)]
    endpoint.script = []  # The server is mended: the bad vectors were taken back, and are made again.
    refresh(bench)
    assert rows(database, "SELECT count(*) FROM corpus.heads", role=None) == [(11,)]


def test_an_endpoint_that_refuses_everything_takes_nothing_away(
    bench: Workbench, corpus: Path, endpoint: EmbeddingServer, database: Database
) -> None:
    refresh(bench)
    for number in range(6):
        write(corpus, f"more{number}.txt", f"Line number {number} is about something else.\n")
    write(corpus, "tides.txt", "High tide is at seven.\n")
    endpoint.refuses = lambda text: True
    with pytest.raises(GateClosed, match="refused 7 of 7 texts"):
        refresh(bench)
    assert rows(database, "SELECT text FROM search.chunks WHERE uri = 'tides.txt'") == [
        ("High tide is at six. Low tide is at noon.",)
    ]
    endpoint.refuses = lambda text: False
    bench.retry = True
    refresh(bench)
    assert rows(database, "SELECT count(DISTINCT uri) FROM search.chunks") == [(9,)]


def test_no_text_of_a_document_is_in_any_result_or_page(bench: Workbench, corpus: Path, database: Database) -> None:
    write(corpus, "secret.txt", f"The password is {SECRET}. " * 3)
    refresh(bench)
    pages = [path.read_text() for path in (bench.state_folder / "data_docs").rglob("*.html")]
    assert pages
    assert not any(SECRET in page for page in pages)
    for table in ("refreshes", "gate_verdicts", "quarantine", "suites", "recipes"):
        found = rows(database, f"SELECT to_jsonb(t)::text FROM corpus.{table} AS t", role=None)
        assert SECRET not in json.dumps(found)


BOUNDS = ((None, 0), (0, None), (0, 0), (0.5, 2), (-1e6, 1e6), (2.5, 2.5))
NUMBERS = {
    "nothing": "null::integer",
    "whole": "CASE WHEN mod(n, 3) > 0 THEN n END",
    "wide": "n::bigint * 1000000000",
    "share": "n / 4.0::double precision",
    "exact": "n::numeric / 4",
}


def test_what_stands_in_for_great_expectations_counts_the_same(database: Database) -> None:
    batch = f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in NUMBERS.items())} FROM generate_series(-4, 12) AS n"
    audits = [
        Audit(f"{column}_{number}", "", "numbers", column, minimum=least, maximum=most)
        for column in NUMBERS
        for number, (least, most) in enumerate(BOUNDS)
    ]
    with database.connect() as session:
        url = sqlalchemy_url(database, session)
    found = counted_audits.both(url, "numbers", {"numbers": f"SELECT * FROM ({batch}) AS batch"}, audits, None)
    assert len(found) == len(audits)
    assert found["whole_0"] == Measured(8, 8)  # 1, 2, 4, 5, 7, 8, 10, 11: mod(-1, 3) is -1.
    assert found["nothing_2"] == Measured(0, 0)
    assert {measured.rows for name, measured in found.items() if name.startswith("share")} == {17}


@given(
    st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 5), st.integers(0, 5),
    st.integers(0, 400), st.booleans(), st.booleans(),
)  # fmt: skip
def test_the_gate_opens_only_when_nothing_is_missing(
    heads: int,
    vanished: int,
    quarantined: int,
    unaudited: int,
    vectorless: int,
    new: int,
    deletions: bool,
    growth: bool,
) -> None:
    vanished = min(vanished, heads)
    facts = GateFacts(
        documents=60, heads=heads, vanished=vanished, vanished_share=vanished / heads if heads else 0.0, emptied=0,
        quarantined=quarantined, candidates=5, elements_without_pass=unaudited, chunk_sets_without_pass=0,
        newcomers=new,
        spaces=(
            SpaceFacts(
                "small", texts_without_vector=vectorless, texts_wanted=20, texts_refused=0, documents_refused=0,
                vectors_without_pass=0,
            ),
        ),
    )  # fmt: skip
    limits = Limits.model_validate({"growth_documents": 100, "growth_share": 5})
    accepted = Accepted(deletions, growth)
    closed = findings(facts, limits, accepted)
    assert ("unaudited" in closed) == (unaudited > 0)
    assert ("without_vector" in closed) == (vectorless > 0)
    gone = heads > 0 and vanished / heads > 0.2
    grown = heads > 0 and new > 100 and new > 5 * heads
    assert ("too_many_vanished" in closed) == (gone and not deletions)
    assert ("too_many_new" in closed) == (grown and not growth)
    assert set(overruled(facts, limits, accepted)) == {
        *(["deletions"] if gone and deletions else []), *(["growth"] if grown and growth else []),
    }  # fmt: skip
    assert ("too_many_quarantined" in closed) == (quarantined > 3 and quarantined / 60 > 0.1)
