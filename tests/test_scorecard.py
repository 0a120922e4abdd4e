"""The scorecard: sixteen scenarios of a table that follows its documents, each measured and asserted exactly."""

from __future__ import annotations

import random
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from assets.upkeep import spaces
from assets.upkeep.verify import verify
from assets.workbench import Workbench
from pipelines.cli.main import run
from pipelines.searching import Asked, search
from resources.errors import ConfigurationError, EndpointRefused, EndpointUnavailable, GateClosed, SuimonError
from resources.postgres import Database, Session
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer, embed, serve
from tests.processes import Job, nursery, until
from tests.scorecard import CountingEndpoint, Scene, Seen, Watch, Written, look, write_report
from tests.scorecard_corpus import SPACE, WORDS, fill, manual, paragraph
from tests.test_cli import declare  # noqa: F401  # A fixture.

MakeBench = Callable[..., Workbench]

MakeScene = Callable[..., Scene]

EMPTIED = "source|confirm with --accept-deletions"

CONFIRMED = "SELECT count(*) FROM corpus.confirmations WHERE kind = 'deletions'"

NEW_TEXTS = "SELECT text FROM search.chunks WHERE uri NOT LIKE 'manual%' ORDER BY uri, ordinal"

CLEANED = """
SELECT h.uri, (e.counters ->> 'stripped')::integer, (e.counters ->> 'replaced')::integer
FROM corpus.heads AS h
INNER JOIN corpus.chunk_sets USING (chunk_set_id)
INNER JOIN corpus.elements AS e USING (elements_id)
WHERE h.uri NOT LIKE 'manual%' ORDER BY h.uri
"""

LEFTOVERS = """
SELECT 'claim' FROM corpus.claims UNION ALL SELECT 'wanted text' FROM corpus.wanted_texts UNION ALL
SELECT 'index' FROM pg_index WHERE NOT (indisvalid AND indisready)
"""

SMALL = SPACE.model_dump(include={"token_limit", "max_inputs", "concurrency"})

LINE_AND_LEASE = {"refreshes": Written(1, 0, 0), "leases": Written(0, 1, 0)}
"""What a refresh always writes: its line, and the lease's only row."""


@pytest.fixture(scope="module")
def cards() -> Iterator[list[Seen]]:
    """What the scenarios measured; written to a file at the end."""
    gathered: list[Seen] = []
    yield gathered
    write_report(gathered)


@pytest.fixture
def endpoint() -> Iterator[CountingEndpoint]:
    """A fake embedding endpoint that counts what it was sent and what it answered."""
    server = CountingEndpoint()
    with serve(server):
        yield server
        server.let_go()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    return folder


@pytest.fixture
def make_scene(
    make_bench: MakeBench, corpus: Path, database: Database, endpoint: CountingEndpoint, cards: list[Seen]
) -> MakeScene:
    """Makes scenes with some manuals of ten chunks each already published."""

    def make(documents: int = 9, sections: int = 4, **declared: Any) -> Scene:
        space = SMALL | declared.pop("space", {})
        bench = make_bench(space=space, **({"chunking": {}} | declared))
        fill(corpus, documents, sections)
        refresh(bench)
        assert published_chunks(database, "uri LIKE 'manual%'") == documents * sections
        return Scene(bench, corpus, database, endpoint, cards.append)

    return make


def published_chunks(database: Database, condition: str = "true") -> int:
    """Return how many chunks readers see."""
    return int(rows(database, f"SELECT count(*) FROM search.chunks WHERE {condition}")[0][0])


def passages(database: Database) -> list[tuple[Any, ...]]:
    """Return what readers see, without numbers that depend on when it was written."""
    return rows(
        database,
        "SELECT uri, ordinal, title, heading_path, text, span, flags, metadata, embedding::text FROM search.chunks "
        "ORDER BY uri, ordinal",
    )


def replace_word(path: Path, ordinal: int, of: str = "gate", by: str = "barrage") -> None:
    """Replace the n-th occurrence of a word in a file."""
    pieces = path.read_text().split(f" {of} ")
    text = f" {of} ".join(pieces[:ordinal]) + f" {by} " + f" {of} ".join(pieces[ordinal:])
    write(path.parent, path.name, text)


def one_document_again(chunks: int, texts: int) -> dict[str, Written]:
    """Return the rows that a new version of one published document is made of."""
    one = Written(1, 0, 0)
    return {
        "chunk_set_passes": one,
        "chunk_sets": one,
        "chunks": Written(chunks, 0, 0),
        "collections": Written(0, 1, 0),
        "documents": Written(0, 1, 0),
        "element_passes": one,
        "elements": one,
        "heads": Written(0, 1, 0),
        "publish_changes": one,
        "publishes": one,
        "texts": Written(texts, 0, 0),
        "vector_passes": Written(texts, 0, 0),
        "vectors_small": Written(texts, 0, 0),
    }


def vectors(database: Database) -> int:
    """Return how many vectors are stored."""
    return int(rows(database, "SELECT count(*) FROM corpus.vectors_small", role=None)[0][0])


def leftovers(database: Database) -> list[str]:
    """Name what a crash may leave behind, and must not."""
    return [kind for (kind,) in rows(database, LEFTOVERS, role=None)]


def from_scratch(scene: Scene, database: Database) -> list[tuple[Any, ...]]:
    """Return what readers of a new database see after one undisturbed refresh of the same corpus."""
    doors = replace(scene.bench.doors, database_url=lambda: database.dsn)
    bench = replace(scene.bench, doors=doors, leases={})
    bench.__dict__["parser_pool"] = scene.bench.parser_pool
    refresh(bench)
    return passages(database)


def test_01_an_unchanged_rerun_embeds_nothing_and_writes_its_own_line(make_scene: MakeScene) -> None:
    scene = make_scene(25)
    with scene.scenario(1) as watch:
        refresh(scene.bench)
    seen = watch.seen
    assert (seen.embedded, seen.requests) == ([], 0)
    assert seen.rows == {}
    assert seen.ledger == LINE_AND_LEASE
    assert len(set(seen.published)) == len(set(seen.states)) == 1
    seen.met()


def test_02_one_edited_word_in_a_long_document_embeds_one_text(make_scene: MakeScene, corpus: Path) -> None:
    long = write(corpus, "long.md", manual(1000, 200))
    scene = make_scene()
    assert published_chunks(scene.database, "uri = 'long.md'") == 200
    with scene.scenario(2) as watch:
        replace_word(long, 100)
        refresh(scene.bench)
    seen = watch.seen
    assert (len(seen.embedded), seen.requests) == (1, 1)
    assert "barrage" in seen.embedded[0]
    words = {"audience_sizes": Written(0, 1, 0), "term_counts": Written(1, 0, 0)}
    assert seen.rows == one_document_again(chunks=200, texts=1) | words
    assert len(seen.published) == len(set(seen.states)) == 2
    assert published_chunks(scene.database, "text LIKE '%barrage%'") == 1
    seen.met()


def test_03_a_renamed_file_embeds_nothing(make_scene: MakeScene, corpus: Path) -> None:
    long = write(corpus, "long.md", manual(1000, 100))
    scene = make_scene()
    with scene.scenario(3) as watch:
        long.rename(corpus / "renamed.md")
        refresh(scene.bench)
    seen = watch.seen
    assert (seen.embedded, seen.requests) == ([], 0)
    assert seen.rows == {
        "collections": Written(0, 1, 0),
        "documents": Written(1, 1, 0),
        "heads": Written(1, 0, 1),
        "publish_changes": Written(2, 0, 0),
        "publishes": Written(1, 0, 0),
    }
    assert len(seen.published) == len(set(seen.states)) == 2
    assert published_chunks(scene.database, "uri = 'renamed.md'") == 100
    assert published_chunks(scene.database, "uri = 'long.md'") == 0
    seen.met()


def test_04_a_copied_file_embeds_nothing_and_both_are_found(make_scene: MakeScene, corpus: Path) -> None:
    write(corpus, "long.md", manual(1000, 100))
    scene = make_scene()
    with scene.scenario(4) as watch:
        write(corpus, "copy.md", manual(1000, 100))
        refresh(scene.bench)
    seen = watch.seen
    assert (seen.embedded, seen.requests) == ([], 0)
    counted = seen.rows.pop("term_counts")
    assert counted.updated > 0
    assert (counted.inserted, counted.deleted) == (0, 0)
    assert seen.rows == {
        "audience_sizes": Written(0, 1, 0),
        "collections": Written(0, 1, 0),
        "documents": Written(1, 0, 0),
        "heads": Written(1, 0, 0),
        "publish_changes": Written(1, 0, 0),
        "publishes": Written(1, 0, 0),
    }
    assert len(seen.published) == len(set(seen.states)) == 2
    words = next(text for text in scene.endpoint.texts_ever if "Section 7 of 1000" in text)
    first, second = search(scene.bench, Asked(words, k=2))
    assert (first["copies"], first["uri"], second["copies"]) == (2, "copy.md", 2)
    by_name = search(scene.bench, Asked(words, k=1, filter={"uri": "long.md"}))
    assert [(row["copies"], row["text"]) for row in by_name] == [(1, first["text"])]
    seen.met()


def test_05_a_deleted_file_takes_its_rows_and_no_others(make_scene: MakeScene, corpus: Path) -> None:
    scene = make_scene()
    kept = [row for row in passages(scene.database) if row[0] != "manual003.md"]
    with scene.scenario(5) as watch:
        (corpus / "manual003.md").unlink()
        refresh(scene.bench)
    seen = watch.seen
    assert (seen.embedded, seen.requests) == ([], 0)
    counted = seen.rows.pop("term_counts")
    assert counted.updated > 0
    assert counted.inserted == 0
    assert seen.rows == {
        "audience_sizes": Written(0, 1, 0),
        "collections": Written(0, 1, 0),
        "documents": Written(0, 1, 0),
        "heads": Written(0, 0, 1),
        "publish_changes": Written(1, 0, 0),
        "publishes": Written(1, 0, 0),
    }
    assert len(seen.published) == len(set(seen.states)) == 2
    assert passages(scene.database) == kept
    seen.met()


def test_06_an_empty_or_unreachable_source_publishes_nothing_until_confirmed(
    make_scene: MakeScene, corpus: Path
) -> None:
    scene = make_scene()
    whole = passages(scene.database)
    away = corpus.parent / "away"
    with scene.scenario(6) as watch:
        corpus.rename(away)
        with pytest.raises(SuimonError, match=r"does not exist|could not be listed"):
            refresh(scene.bench)
        corpus.mkdir()
        for _ in range(2):
            with pytest.raises(GateClosed, match=EMPTIED):
                refresh(scene.bench)
        assert passages(scene.database) == whole
        scene.bench.accept_deletions = True
        refresh(scene.bench)
        scene.bench.accept_deletions = False
        assert watch.readers_may_see()[0] == 0
        corpus.rmdir()
        away.rename(corpus)
        refresh(scene.bench)
        watch.readers_may_see()
        corpus.rename(away)
        corpus.mkdir()
        with pytest.raises(GateClosed, match=EMPTIED):  # It was confirmed once, not for ever.
            refresh(scene.bench)
    seen = watch.seen
    assert (seen.embedded, seen.requests) == ([], 0)
    assert passages(scene.database) == whole
    assert rows(scene.database, CONFIRMED, role=None) == [(1,)]
    assert (len(seen.published), [count for count, _ in seen.published]) == (3, [36, 0, 36])
    seen.met()


def test_07_one_poison_chunk_is_held_back_alone(make_scene: MakeScene, corpus: Path) -> None:
    scene = make_scene()
    scene.endpoint.refuses = lambda text: "Section 77 of 1000" in text
    with scene.scenario(7) as watch:
        write(corpus, "long.md", manual(1000, 200))
        refresh(scene.bench)
    seen = watch.seen
    assert len(seen.embedded) == 199
    # 13 batches of 16; the one with the poison is halved four times: 2 requests each time.
    assert seen.requests == 13 + 2 * 4
    assert seen.rows["text_failures"] == Written(1, 0, 0)
    assert seen.rows["vectors_small"] == Written(199, 0, 0)
    assert published_chunks(scene.database, "uri = 'long.md'") == 199
    assert published_chunks(scene.database, "'Section 77 of 1000' = ANY(heading_path)") == 0
    assert len(seen.published) == len(set(seen.states)) == 2
    seen.met()


def test_08_nul_bytes_and_lone_surrogates_are_cleaned_and_counted(make_scene: MakeScene, corpus: Path) -> None:
    scene = make_scene()
    sound = paragraph(random.Random(8), 50)
    with scene.scenario(8) as watch:
        write(corpus, "nul.md", f"# Nul\n\n{sound} The nul\x00 bytes are gone\x00 now.\n")
        write(corpus, "escaped.json", f'{{"note": "{sound} The escaped\\ud800 are gone\\udfff now."}}\n')
        write(corpus, "bytes.txt", f"{sound} The bytes ".encode() + b"\xed\xa0\x80" + b" are gone now.\n")
        report = refresh(scene.bench).reports["elements"]
    seen = watch.seen
    assert (len(seen.embedded), seen.requests) == (3, 1)
    assert not report.quarantined
    assert report.counts["stripped"] == 2
    assert rows(scene.database, CLEANED, role=None) == [("bytes.txt", 0, 3), ("escaped.json", 2, 0), ("nul.md", 0, 2)]
    texts = [text for (text,) in rows(scene.database, NEW_TEXTS)]
    assert texts[0].endswith("The bytes \ufffd\ufffd\ufffd are gone now.")
    assert texts[1].endswith("The escaped are gone now.")
    assert texts[2].endswith("The nul\ufffd bytes are gone\ufffd now.")
    assert seen.rows["heads"] == Written(3, 0, 0)
    assert seen.rows["vectors_small"] == Written(3, 0, 0)
    assert len(seen.published) == len(set(seen.states)) == 2
    seen.met()


def test_09_a_429_in_the_middle_leaves_the_old_version_and_then_brings_the_new(
    make_scene: MakeScene, corpus: Path
) -> None:
    scene = make_scene(space={"concurrency": 1, "deadline_seconds": 0.6})
    busy = (429, {"Retry-After": "0.05"}, {"error": {"message": "slow down"}})
    with scene.scenario(9) as watch:
        fill(corpus, 9, 8)  # 4 new sections a manual, and a new text in each of the others.
        scene.endpoint.script = [None, None, *[busy] * 1000]
        with pytest.raises(EndpointUnavailable):
            refresh(scene.bench)
        assert len(watch.seen.published) == 1
        assert watch.readers_may_see() == watch.seen.published[0]
        scene.endpoint.script = [None, busy]
        refresh(scene.bench)
    seen = watch.seen
    assert sorted(seen.embedded) == sorted(set(seen.embedded))
    assert seen.rows["vectors_small"] == Written(len(seen.embedded), 0, 0)
    assert seen.rows["heads"] == Written(0, 9, 0)
    assert len(seen.published) == len(set(seen.states)) == 2
    assert seen.published[1][0] == 72
    seen.met()


def test_10_a_killed_refresh_converges_and_sends_again_only_what_was_in_flight(
    make_scene: MakeScene, corpus: Path, tmp_path: Path, make_database: Callable[..., Database], template: str
) -> None:
    with nursery() as processes:  # Imports what is slow while the first publish is made.
        scene = make_scene(6, 6)
        space = {"base_url": scene.endpoint.url, "model": "fake", **SMALL}
        job = Job(
            str(tmp_path / "killed"), scene.database.dsn, {"notes": {"source": str(corpus)}}, space, "notes",
            "the-run-that-is-killed", lease_seconds=1.5,
        )  # fmt: skip
        with scene.scenario(10) as watch:
            write(corpus, "long.md", manual(1000, 160))
            scene.endpoint.hold_after(3)
            worker = processes.start(job)
            until(lambda: len(scene.endpoint.held) == 4, "four requests in flight")
            until(lambda: vectors(scene.database) == 36 + 3 * 16, "what was answered to be kept")
            worker.signal(signal.SIGKILL)
            in_flight = {text for request in scene.endpoint.held for text in request}
            scene.endpoint.let_go()
            scene.bench.lease_wait_seconds = 30.0
            refresh(scene.bench)
    seen = watch.seen
    assert len(in_flight) == 4 * 16
    assert seen.sent_again() == dict.fromkeys(in_flight, 1)
    assert len(seen.embedded) == len(set(seen.embedded)) == 160
    assert seen.requests == 3 + 4 + 7
    assert seen.rows["vectors_small"] == Written(160, 0, 0)
    assert len(seen.published) == len(set(seen.states)) == 2
    assert leftovers(scene.database) == []
    assert passages(scene.database) == from_scratch(scene, make_database(template))
    seen.met("the 4 requests in flight were sent again: 64 texts")


DAMAGE = {
    "heads_missing": ("DELETE FROM corpus.heads WHERE uri IN ('manual001.md', 'manual002.md')", 2, 0),
    "chunks_missing": (
        "DELETE FROM corpus.chunks WHERE chunk_set_id = (SELECT min(chunk_set_id) FROM corpus.heads)", 1, 0
    ),
    "vectors_missing": (
        "DELETE FROM corpus.vectors_small WHERE text_id IN (SELECT text_id FROM search.chunks WHERE title LIKE '% 5')",
        4, 4,
    ),
}  # fmt: skip
"""By kind: what somebody does behind its back, what is reported of it, and how many texts are not known any more."""


def test_11_rows_deleted_behind_its_back_are_reported_and_put_back(make_scene: MakeScene) -> None:
    scene = make_scene()
    whole = look(scene.database)
    with scene.scenario(11) as watch:
        for kind, (statement, count, lost) in DAMAGE.items():
            sent = len(scene.endpoint.texts)
            with scene.database.connect(role=None) as session:
                session.connection.execute(statement.encode())
            assert watch.readers_may_see() != whole
            found = verify(scene.bench, None, repair=False, run_id=f"verify-{kind}")
            assert [(item.kind, item.count) for item in found] == [(kind, count)]
            mended = verify(scene.bench, None, repair=True, run_id=f"repair-{kind}")
            assert [(item.kind, item.count, item.repaired) for item in mended] == [(kind, count, count)]
            assert watch.readers_may_see() == whole
            assert len(scene.endpoint.texts) - sent == lost
        assert verify(scene.bench, None, repair=False, run_id="verify-again") == []
    seen = watch.seen
    assert (len(seen.embedded), seen.requests) == (4, 1)
    assert len(seen.published) == 7
    seen.met("rows of heads and chunks come back without embedding; of vectors, only the lost ones are embedded")


def declared_otherwise(scene: Scene, **otherwise: Any) -> Workbench:
    """Return a workbench that declares the live space otherwise than it was made."""
    small = scene.bench.space("small").model_copy(update=otherwise)
    other = replace(scene.bench, spaces={"small": small}, leases={})
    other.__dict__["parser_pool"] = scene.bench.parser_pool
    return other


def move_to(scene: Scene, watch: Watch, server: EmbeddingServer) -> int:
    """Fill a space of another model beside the live one and promote it; returns how many texts it holds."""
    bench = scene.bench
    added = {"base_url": server.url, "model": "another", "passage_prefix": "passage: "}
    bench.spaces = {**bench.spaces, "another": bench.space("small").model_copy(update=added)}
    spaces.add(bench, "another")
    server.forget()  # What it was probed with.
    watch.readers_may_see()
    refresh(bench)
    watch.readers_may_see()
    watch.reader.catch_up()
    assert spaces.promote(bench, "another") == "small"
    watch.readers_may_see()
    texts = [text for (text,) in rows(scene.database, "SELECT text FROM corpus.texts", role=None)]
    assert sorted(server.texts) == sorted(f"passage: {text}" for text in texts)
    return len(texts)


def moved(seen: Seen, server: EmbeddingServer, texts: int, dimensions: int, database: Database) -> None:
    """See that everything was embedded once in the new space, and that readers saw whole states of one model each."""
    assert (len(seen.embedded), seen.requests) == (2, 2)
    assert (seen.rows["vectors_another"], seen.rows["vectors_small"]) == (Written(texts, 0, 0), Written(1, 0, 0))
    assert seen.rows["heads"] == Written(1, 0, 0)
    assert seen.states == seen.published
    assert len(seen.states) == 3
    shown = "SELECT DISTINCT public.vector_dims(embedding) FROM search.chunks"
    assert rows(database, shown) == [(dimensions,)]
    seen.embedded += server.texts
    seen.requests += len(server.requests)
    seen.met(f"the new space is filled beside the live one with {texts:,} texts; 1 more a wrong model answered")


@pytest.mark.parametrize(
    ("number", "declared", "dimensions"),
    [
        pytest.param(12, {"model": "another"}, 32, id="12-another-model"),
        pytest.param(13, {"dimensions": 48}, 48, id="13-other-dimensions"),
    ],
)
def test_another_model_is_refused_in_place_and_filled_beside_the_live_one(
    make_scene: MakeScene, corpus: Path, number: int, declared: dict[str, Any], dimensions: int
) -> None:
    scene = make_scene()
    served = scene.endpoint.model, scene.endpoint.dimensions
    with scene.scenario(number) as watch, serve(EmbeddingServer(dimensions, "another-embeddings")) as server:
        with pytest.raises(ConfigurationError, match=r"'fake'|32 .declared: 48.*cannot be compared"):
            refresh(declared_otherwise(scene, **declared))
        assert scene.endpoint.requests == []
        scene.endpoint.model, scene.endpoint.dimensions = "behind-the-same-name", dimensions
        write(corpus, "new.md", "# New\n\nThe weir is closed at night.\n")
        with pytest.raises(EndpointRefused, match="now answers as model" if number == 12 else "gave 48 dimensions"):
            refresh(scene.bench)
        scene.endpoint.model, scene.endpoint.dimensions = served
        texts = move_to(scene, watch, server)
    moved(watch.seen, server, texts, dimensions, scene.database)


def test_14_a_reader_sees_whole_publishes_only(make_scene: MakeScene, corpus: Path) -> None:
    scene = make_scene(50, 10)
    with scene.scenario(14) as watch:
        for number in range(1, 41):  # New texts under old names ...
            write(corpus, f"manual{number:03}.md", manual(number + 200, 10))
        for number in range(41, 46):  # ... some gone ...
            (corpus / f"manual{number:03}.md").unlink()
        fill(corpus, 10, 10, first=101)  # ... and some new.
        refresh(scene.bench)
    seen = watch.seen
    assert (len(seen.embedded), seen.requests) == (500, -(-500 // 16))
    assert seen.rows["heads"] == Written(10, 40, 5)
    assert [count for count, _ in seen.published] == [500, 550]
    assert seen.states == seen.published
    seen.met()


HOSTILE = (
    "t0' OR '1'='1",
    "t0'; DROP TABLE corpus.heads CASCADE; --",
    'notes" OR 1=1 --',
    "{corpus} %(k)s %s $1 {{",
    "t0\\' OR 1=1 --",
    "%' OR uri LIKE '%",
    "$$; SELECT 1; $$",
)
"""Values that somebody tries in the hope that they become SQL."""


@pytest.mark.usefixtures("declare")
def test_15_a_hostile_value_is_a_value(make_scene: MakeScene, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, value in enumerate(HOSTILE):
        write(corpus, f"{value}/{value}.md", f"# Paper {number}\n\n{paragraph(random.Random(number))}\n")
    teams = {"fields": {"team": {"type": "string"}}, "path": "{team}/*"}
    scene = make_scene(metadata=teams)
    with scene.scenario(15) as watch:
        for number, value in enumerate(HOSTILE):
            assert search(scene.bench, Asked("the gate", filter={"collection": value})) == []
            assert len(search(scene.bench, Asked(value))) == 5
            for command in commands(value):
                code = run(command)
                assert (code, capsys.readouterr().err.count("\n")) == (2, 1), command
            for condition, bound in (
                ("uri = %s", f"{value}/{value}.md"),
                ("metadata @> %s", Jsonb({"team": value})),
                ("metadata ->> 'team' = %s", value),
            ):
                assert found(scene.database, condition, bound) == [f"Paper {number}"], condition
            assert found(scene.database, "collection = %s", value) == []
    seen = watch.seen
    assert len(seen.embedded) == seen.requests == 2 * len(HOSTILE)
    assert set(seen.embedded) == {"the gate", *HOSTILE}
    assert seen.rows == seen.ledger == {}
    assert len(set(seen.published)) == len(set(seen.states)) == 1
    seen.met("the texts are the questions that were asked")


def commands(value: str) -> Iterator[list[str]]:
    """Return every command that takes a name of a collection, with something else in its place."""
    yield ["search", "--collection", value, "gate"]
    for name in ("refresh", "plan", "publishes", "unpin", "verify", "retry"):
        yield [name, value]
    yield ["rollback", value, "--to", "1"]
    yield ["drop", value, "--yes"]
    yield ["erase", "manual001.md", "--collection", value, "--yes"]
    yield ["erase", value, "--collection", "notes", "--yes"]


def found(database: Database, condition: str, value: object) -> list[str]:
    """Return the titles that plain SQL finds with a bound value."""
    with database.connect("reader") as session:
        query = f"SELECT DISTINCT title FROM search.chunks WHERE {condition}"
        return [title for (title,) in session.connection.execute(query.encode(), [value]).fetchall()]


SETTINGS = (
    "SELECT '[1]'::vector",
    "SET LOCAL hnsw.iterative_scan = strict_order",
    "SET LOCAL hnsw.ef_search = 100",
)
"""What docs/sql.md asks of somebody who writes SQL."""

NEAREST = """
SELECT uri FROM search.chunks WHERE metadata @> %(filter)s
ORDER BY embedding OPERATOR(public.<=>) %(q)s::public.halfvec LIMIT 10
"""


def test_16_a_rare_filter_over_3072_dimensions_gives_k_rows_through_an_index(
    make_scene: MakeScene, corpus: Path, endpoint: CountingEndpoint
) -> None:
    endpoint.dimensions = 3072
    for number in range(50):
        write(corpus, f"team{number:02}/notes.md", notes(number, 60))
    teams = {"fields": {"team": {"type": "string"}}, "path": "{team}/*"}
    scene = make_scene(0, 0, metadata=teams, chunking={"max_tokens": 64, "min_tokens": 4})
    assert published_chunks(scene.database) == 3000
    literal = "[" + ",".join(f"{value:.6g}" for value in embed("the gate and the weir at night", 3072)) + "]"
    with scene.scenario(16) as watch, scene.database.connect("reader") as session, session.transaction():
        for setting in SETTINGS:
            session.connection.execute(setting.encode())
        params = {"q": literal, "filter": Jsonb({"team": "team07"})}
        chosen = ask(session, params)
        session.connection.execute(b"SET LOCAL enable_sort = off")  # As if the planner did not know how rare it is.
        ordered = ask(session, params)
    seen = watch.seen
    for plan, uris in (chosen, ordered):
        assert uris == ["team07/notes.md"] * 10
        assert not re.search("Seq Scan on (vectors_small|chunks|texts)", plan), plan
    assert re.search("Index Scan using vectors_small_(hnsw|pkey)", chosen[0]), chosen[0]
    assert "Index Scan using vectors_small_hnsw" in ordered[0], ordered[0]
    assert (seen.embedded, seen.rows, seen.ledger) == ([], {}, {})
    assert len(set(seen.published)) == len(set(seen.states)) == 1
    seen.met("in plain SQL with the settings of docs/sql.md")


def ask(session: Session, params: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the plan of the nearest passages under a filter, without the vector's numbers, and their uris."""
    connection = session.connection
    lines = connection.execute(b"EXPLAIN " + NEAREST.encode(), params, prepare=False).fetchall()
    plan = "\n".join(re.sub(r"'\[.*\]'", "'[...]'", line) for (line,) in lines)
    return plan, [uri for (uri,) in connection.execute(NEAREST.encode(), params, prepare=False).fetchall()]


def notes(seed: int, count: int) -> str:
    """Return short sections, a chunk each."""
    drawn = random.Random(seed)
    return "\n".join(
        f"## Note {number} of {seed}\n\n{' '.join(drawn.choice(WORDS) for _ in range(9))}.\n" for number in range(count)
    )
