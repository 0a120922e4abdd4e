"""The chunks stage on real Postgres: what it writes, what its audit of spans finds, what one bad document costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assets.chunks import stage as chunk_stage
from assets.chunks.chunking import Chunk, chunk
from assets.chunks.splitting import Count
from assets.elements.document import Element
from assets.recipes import chunk_recipe, parse_recipe
from assets.settings import Chunking
from assets.workbench import Workbench
from resources.postgres import Database
from tests.conftest import refresh, rows, write

SECRET = "xylophone-4711"


def test_readers_see_leads_html_and_flags(bench: Workbench, corpus: Path, database: Database) -> None:
    lines = "\n".join(f"| bolt {number} | {number} mm |" for number in range(40))
    write(corpus, "parts.md", f"# Parts\n\n| part | size |\n|---|---|\n{lines}\n")
    refresh(bench)
    seen = rows(
        database,
        "SELECT text, lead, html, flags FROM search.chunks WHERE uri = 'parts.md' AND lead > 0 ORDER BY ordinal",
    )
    assert len(seen) > 1
    for text, lead, html, flags in seen:
        assert text[:lead] == "part | size\n"
        assert html.startswith("<table><tr><th>part</th><th>size</th></tr><tr><td>bolt ")
        assert flags == []
    plain = rows(database, "SELECT lead, html, flags FROM search.chunks WHERE uri = 'tides.txt'")
    assert plain == [(0, None, [])]


def test_a_document_that_cannot_be_cut_costs_itself_alone(
    bench: Workbench, corpus: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(text: str, elements: list[Element], settings: Chunking, count: Count) -> list[Chunk]:
        if "High tide" in text:
            raise ValueError(SECRET)
        return chunk(text, elements, settings, count)

    monkeypatch.setattr(chunk_stage, "chunk", cut)
    write(corpus, "copy-of-tides.txt", (corpus / "tides.txt").read_bytes())
    refresh(bench)
    assert rows(database, "SELECT DISTINCT uri FROM search.chunks ORDER BY uri") == [("gate.md",), ("水門.md",)]
    held = rows(database, "SELECT stage, reason, detail, attempts FROM corpus.quarantine", role=None)
    assert len(held) == 2
    for stage, reason, detail, attempts in held:
        assert (stage, reason, attempts) == ("chunks", "chunk_error", 1)
        assert detail.startswith("ValueError in test_chunk_stage.py:")
    ledger = rows(database, "SELECT stages::text FROM corpus.refreshes", role=None)
    assert SECRET not in str(ledger)
    assert json.loads(ledger[-1][0])["chunks"]["quarantined"] == {"chunk_error": 2}
    monkeypatch.undo()
    bench.retry = True
    refresh(bench)
    assert rows(database, "SELECT count(DISTINCT uri) FROM search.chunks") == [(4,)]


def _store(database: Database, text: str, pieces: list[tuple[int, int, str, int, int]]) -> None:
    """Put a document with chunks (start, end, text, body_start, lead) where the audit looks at it."""
    chunking = Chunking.model_validate({})
    with database.connect() as session:
        run = session.connection.execute
        parse = session.value("refresh/declare_recipe", parse_recipe().params())
        recipe = session.value("refresh/declare_recipe", chunk_recipe(chunking, "estimate").params())
        session.execute("refresh/declare_collection", {"name": "notes"})
        run("UPDATE collections SET parse_recipe_id = %s, chunk_recipe_id = %s", (parse, recipe))
        run(
            "INSERT INTO documents (collection_id, uri, content_hash, format, size, stamp, settled, metadata) "
            "SELECT collection_id, 'a', sha256('a'), 'txt', 1, '', true, '{}' FROM collections"
        )
        run(
            "INSERT INTO elements (content_hash, format, recipe_id, text, elements, pages, properties, counters) "
            "VALUES (sha256('a'), 'txt', %s, %s, '[]', 0, '{}', '{}')",
            (parse, text),
        )
        run("INSERT INTO chunk_sets (elements_id, recipe_id) SELECT elements_id, %s FROM elements", (recipe,))
        with session.connection.cursor() as cursor:
            cursor.executemany(
                "WITH made AS (INSERT INTO texts (hash, text, tokens) "
                "VALUES (sha256(convert_to(%(number)s || %(text)s, 'UTF8')), %(text)s, 1) RETURNING text_id) "
                "INSERT INTO chunks (chunk_set_id, ordinal, text_id, body_start, span, pages, heading_path, lead) "
                "SELECT chunk_set_id, %(number)s::int, text_id, %(body)s, int4range(%(start)s, %(end)s), '{}', '{}', "
                "%(lead)s FROM made, chunk_sets",
                [
                    {"number": str(at), "text": shown, "body": body, "start": start, "end": end, "lead": lead}
                    for at, (start, end, shown, body, lead) in enumerate(pieces)
                ],
            )


def _audited(database: Database) -> tuple[int, int]:
    found = rows(
        database, "SELECT misplaced_spans, characters_left_out FROM audited_chunk_sets", role="pipeline"
    )  # fmt: skip
    assert len(found) == 1
    return int(found[0][0]), int(found[0][1])


TEXT = "水門を開ける。\u3000閉める。\n\nGrease the hinges.\tAll of them."


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        ([(0, 7, "水門を開ける。", 0, 0), (8, 12, "H\n\n閉める。", 3, 0), (14, 45, TEXT[14:], 0, 0)], (0, 0)),
        ([(0, 12, TEXT[:12], 0, 0), (8, 45, "lead\n" + TEXT[8:], 0, 5)], (0, 0)),
        ([(0, 12, TEXT[:12], 0, 0), (8, 45, "閉めた。" + TEXT[12:], 0, 0)], (1, 0)),
        ([(0, 12, TEXT[:12], 0, 0), (14, 45, TEXT[13:44], 0, 0)], (1, 0)),
        ([(0, 12, TEXT[:12], 0, 0), (14, 45, "x" + TEXT[15:], 0, 0)], (1, 0)),
        ([(0, 12, TEXT[:12], 0, 0), (14, 45, "lead\n" + TEXT[14:], 0, 4)], (1, 0)),
        ([(0, 7, TEXT[:7], 0, 0), (14, 45, TEXT[14:], 0, 0)], (0, 4)),
        ([(0, 12, TEXT[:12], 0, 0)], (0, 26)),
        ([], (0, 37)),
    ],
)  # fmt: skip
def test_the_audit_counts_chunks_that_are_not_the_text_at_their_span_and_what_no_chunk_shows(
    database: Database, pieces: list[tuple[int, int, str, int, int]], found: tuple[int, int]
) -> None:
    _store(database, TEXT, pieces)
    assert _audited(database) == found


@pytest.mark.timeout(100)  # Reading it once a chunk takes many minutes.
def test_the_audit_of_a_long_document_reads_it_once_and_not_once_a_chunk(database: Database) -> None:
    line = "水門の点検を毎月行い、記録を残す。部品の寸法は別表による。\n"
    number, size = 20_000, len(line)
    text = line * number
    pieces = [(at * size, (at + 1) * size - 1, line[:-1], 0, 0) for at in range(number)]
    _store(database, text.rstrip(), pieces)
    assert _audited(database) == (0, 0)
