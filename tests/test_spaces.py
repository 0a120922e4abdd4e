"""Spaces: what an endpoint is found to be, what is stored of it, and what is refused later."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from assets.engine import STAGES
from assets.refresh import StageReport, end_refresh, open_refresh, run_stage
from assets.settings import Collection
from assets.vectors.spaces import KnownSpace, find_space, make_space
from assets.workbench import Workbench
from resources.errors import ConfigurationError, EndpointRefused, PermanentError
from resources.postgres import Database
from tests.conftest import refresh, rows, write
from tests.fakes.embedding_server import EmbeddingServer
from tests.fakes.http_wire import Answer

MakeBench = Callable[..., Workbench]

_runs = itertools.count()


def prepare(
    bench: Workbench, name: str = "notes", stages: Sequence[str] = ("documents", "elements", "chunks", "vectors")
) -> dict[str, StageReport]:
    """Run stages without audits, which take most of a small refresh's time."""
    run_id = f"prepare-{next(_runs)}"
    reports = {}
    for stage in stages:
        with open_refresh(bench, name, run_id) as opened:
            reports[stage] = run_stage(opened, stage, STAGES[stage])
    end_refresh(bench, name, "prepared")
    return reports


def known_space(database: Database, name: str = "small") -> KnownSpace:
    """Read the space that was made."""
    with database.connect() as session:
        found = find_space(session, name)
    assert found is not None
    return found


def column_type(database: Database) -> str:
    """Return the type of the stored vectors."""
    query = (
        "SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a "
        "WHERE a.attrelid = 'corpus.vectors_small'::regclass AND a.attname = 'embedding'"
    )
    return str(rows(database, query, role=None)[0][0])


def indexes(database: Database) -> list[str]:
    """Return the definitions of the HNSW indexes."""
    query = "SELECT indexdef FROM pg_indexes WHERE tablename = 'vectors_small' AND indexdef LIKE '%hnsw%'"
    return [definition for (definition,) in rows(database, query, role=None)]


def published(database: Database) -> list[str]:
    """Return the passages that readers see."""
    return [text for (text,) in rows(database, "SELECT text FROM search.chunks ORDER BY uri, ordinal")]


def test_what_the_endpoint_gives_is_found_by_asking(bench: Workbench, database: Database) -> None:
    refresh(bench)
    space = known_space(database)
    assert (space.dimensions, space.storage, space.normalised, space.live) == (32, "vector", True, True)
    assert (space.model, space.query_model, space.served_model) == ("fake", "fake", "fake-embeddings")
    assert (space.token_limit, space.max_inputs) == (128, 16)
    assert column_type(database) == "vector(32)"
    assert len(indexes(database)) == 1


def test_a_space_is_asked_only_once(bench: Workbench, corpus: Path, endpoint: EmbeddingServer) -> None:
    prepare(bench)
    endpoint.forget()
    write(corpus, "weir.md", "# Weir\n\nThe weir is closed.\n")
    prepare(bench)
    assert len(endpoint.texts) == 1


def test_declared_dimensions_are_asked_for_and_kept(make_bench: MakeBench, database: Database) -> None:
    prepare(make_bench(space={"dimensions": 8}))
    assert column_type(database) == "vector(8)"


def test_an_endpoint_that_ignores_the_declared_dimensions_is_refused(
    make_bench: MakeBench, endpoint: EmbeddingServer, database: Database
) -> None:
    endpoint.script = [_without_asking(endpoint)]
    with pytest.raises(ConfigurationError, match=r"32 dimensions.*declares 8"):
        prepare(make_bench(space={"dimensions": 8}))
    with database.connect() as session:
        assert find_space(session, "small") is None


def _without_asking(endpoint: EmbeddingServer) -> Callable[[Answer], Answer]:
    """Answer with the server's own dimensions, whatever was asked for."""
    return lambda answer: endpoint._proper(["sluice gate"], {"encoding_format": "base64"})


def test_up_to_2000_dimensions_vectors_are_stored_whole(
    make_bench: MakeBench, endpoint: EmbeddingServer, database: Database
) -> None:
    endpoint.dimensions = 2000
    prepare(make_bench())
    assert column_type(database) == "vector(2000)"


def test_above_2000_dimensions_vectors_are_stored_by_half_audited_and_indexed(
    make_bench: MakeBench, endpoint: EmbeddingServer, database: Database
) -> None:
    endpoint.dimensions = 2001
    refresh(make_bench())
    assert column_type(database) == "halfvec(2001)"
    (index,) = indexes(database)
    assert "halfvec_cosine_ops" in index
    query = (
        "SELECT uri FROM search.chunks ORDER BY embedding OPERATOR(public.<=>) "
        "(SELECT embedding FROM search.chunks WHERE uri = 'tides.txt') LIMIT 1"
    )
    assert rows(database, query) == [("tides.txt",)]


def test_a_batch_that_is_too_large_is_halved_until_it_is_taken(
    make_bench: MakeBench, endpoint: EmbeddingServer, corpus: Path, database: Database
) -> None:
    for number in range(20):
        write(corpus, f"note{number}.md", f"# Note {number}\n\nLevel {number} was read today.\n")
    endpoint.max_inputs = 5
    prepare(make_bench(space={"max_inputs": 16}))
    assert known_space(database).max_inputs == 4
    endpoint.forget()
    for number in range(20):
        write(corpus, f"more{number}.md", f"# More {number}\n\nLevel {number} was read again.\n")
    prepare(make_bench(space={"max_inputs": 16}))
    assert max(map(len, endpoint.requests)) == 4


def test_a_limit_that_shrinks_later_is_met_by_halving(
    bench: Workbench, endpoint: EmbeddingServer, corpus: Path
) -> None:
    prepare(bench)
    endpoint.max_inputs = 3
    for number in range(10):
        write(corpus, f"note{number}.md", f"# Note {number}\n\nLevel {number} was read today.\n")
    assert prepare(bench)["vectors"].counts["embedded"] == 10


def test_silent_truncation_is_found_and_the_true_limit_kept(
    make_bench: MakeBench, endpoint: EmbeddingServer, database: Database
) -> None:
    endpoint.truncates_at = 64
    prepare(make_bench(chunking={"max_tokens": 48, "min_tokens": 4}))
    assert known_space(database).token_limit == 64


def test_chunks_longer_than_what_the_model_was_seen_to_read_are_not_published(
    make_bench: MakeBench, endpoint: EmbeddingServer, corpus: Path, database: Database
) -> None:
    write(corpus, "long.md", "# Long\n\n" + " ".join(f"w{number}." for number in range(200)) + "\n")
    endpoint.truncates_at = 64
    with pytest.raises(PermanentError):
        refresh(make_bench(space={"token_limit": 512}, chunking={"max_tokens": 256, "min_tokens": 4}))
    assert rows(database, "SELECT count(*) FROM search.documents") == [(0,)]


def test_a_model_that_reads_next_to_nothing_is_refused(make_bench: MakeBench, endpoint: EmbeddingServer) -> None:
    endpoint.truncates_at = 10
    with pytest.raises(ConfigurationError, match="ignores the end of an input"):
        prepare(make_bench())


def test_a_small_declared_token_limit_is_taken_at_its_word(make_bench: MakeBench, database: Database) -> None:
    prepare(make_bench(space={"token_limit": 48}, chunking={"max_tokens": 32, "min_tokens": 4}))
    assert known_space(database).token_limit == 48


def test_one_poison_text_is_held_back_alone_and_the_rest_is_published(
    bench: Workbench, endpoint: EmbeddingServer, corpus: Path, database: Database
) -> None:
    endpoint.refuses = lambda text: "poison" in text
    write(corpus, "weir.md", "# Weir\n\nThe weir is closed today.\n\n# Danger\n\nThis is poison for the endpoint.\n")
    summary = refresh(bench)
    assert summary.reports["vectors"].counts["refused"] == 1
    seen = published(database)
    assert not any("poison" in text for text in seen)
    assert any("weir is closed" in text for text in seen)
    assert len(rows(database, "SELECT DISTINCT uri FROM search.chunks")) == 4
    held = rows(database, "SELECT reason, detail, attempts FROM corpus.text_failures", role=None)
    assert held == [("endpoint_refused", "HTTP 400", 1)]


def test_a_poison_text_is_not_sent_again_at_every_refresh(
    bench: Workbench, endpoint: EmbeddingServer, corpus: Path
) -> None:
    endpoint.refuses = lambda text: "poison" in text
    write(corpus, "weir.md", "# Weir\n\nThis is poison for the endpoint.\n")
    prepare(bench)
    endpoint.forget()
    write(corpus, "lock.md", "# Lock\n\nThe lock is open.\n")
    prepare(bench)
    assert not any("poison" in text for text in endpoint.texts)


def test_a_renamed_model_is_refused_and_nothing_of_it_is_stored(
    bench: Workbench, endpoint: EmbeddingServer, corpus: Path, database: Database
) -> None:
    prepare(bench)
    before = rows(database, "SELECT count(*) FROM corpus.vectors_small", role=None)
    endpoint.model = "another-model"
    write(corpus, "weir.md", "# Weir\n\nThe weir is closed.\n")
    with pytest.raises(EndpointRefused, match=r"another-model.*fake-embeddings"):
        prepare(bench)
    assert rows(database, "SELECT count(*) FROM corpus.vectors_small", role=None) == before


def test_other_dimensions_than_before_are_refused(bench: Workbench, endpoint: EmbeddingServer, corpus: Path) -> None:
    prepare(bench)
    endpoint.dimensions = 16
    write(corpus, "weir.md", "# Weir\n\nThe weir is closed.\n")
    with pytest.raises(EndpointRefused, match=r"16 dimensions.*small.*32"):
        prepare(bench)


def test_vectors_of_another_length_than_before_are_refused(
    bench: Workbench, endpoint: EmbeddingServer, corpus: Path
) -> None:
    prepare(bench)

    def stretched(answer: Answer) -> Answer:
        status, headers, body = answer
        for item in body["data"]:
            item["embedding"] = [0.5] * 32
        return status, headers, body

    endpoint.script = [stretched]
    write(corpus, "weir.md", "# Weir\n\nThe weir is closed.\n")
    with pytest.raises(EndpointRefused, match="length"):
        prepare(bench)


DECLARED_OTHERWISE = pytest.mark.parametrize(
    ("declared", "was", "now"),
    [
        ({"model": "other"}, "'fake'", "'other'"),
        ({"query_model": "asking"}, "'fake'", "'asking'"),
        ({"dimensions": 8}, "32", "8"),
        ({"passage_prefix": "passage: "}, "''", "'passage: '"),
        ({"query_prefix": "query: "}, "''", "'query: '"),
    ],
)


def refused(bench: Workbench, was: str, now: str) -> None:
    """See a declaration refused by a sentence that names both sides, and nothing sent."""
    with pytest.raises(ConfigurationError) as raised:
        prepare(bench)
    assert was in str(raised.value)
    assert now in str(raised.value)
    assert "small" in str(raised.value)


@DECLARED_OTHERWISE
def test_another_declaration_under_the_same_name_is_a_mistake_that_names_both(
    make_bench: MakeBench, endpoint: EmbeddingServer, declared: dict[str, Any], was: str, now: str
) -> None:
    prepare(make_bench())
    endpoint.forget()
    refused(make_bench(space=declared), was, now)
    assert endpoint.requests == []


def test_another_declaration_is_a_mistake_also_when_no_document_changed(
    make_bench: MakeBench, endpoint: EmbeddingServer
) -> None:
    refresh(make_bench())
    endpoint.forget()
    for declared, was, now in DECLARED_OTHERWISE.args[1]:
        refused(make_bench(space=declared), was, now)
    assert endpoint.requests == []


def test_another_space_beside_the_live_one_is_a_mistake_that_names_both(bench: Workbench, corpus: Path) -> None:
    prepare(bench)
    bench.spaces = {"large": bench.space("small")}
    write(corpus, "weir.md", "# Weir\n\nThe weir is closed.\n")
    with pytest.raises(ConfigurationError, match=r"large.*small"):
        prepare(bench)


@pytest.fixture
def shared(make_bench: MakeBench, corpus: Path, tmp_path: Path) -> Workbench:
    """A workbench with two collections whose documents share a text."""
    bench = make_bench()
    copies = tmp_path / "copies"
    write(copies, "copy.md", (corpus / "gate.md").read_bytes())
    write(copies, "own.txt", "The weir is closed for repairs.\n")
    further = Collection.model_validate(bench.collection("notes").model_dump() | {"source": str(copies)})
    bench.collections = {"notes": bench.collection("notes"), "copies": further}
    return bench


def test_a_text_that_two_collections_share_is_embedded_once(
    shared: Workbench, endpoint: EmbeddingServer, database: Database
) -> None:
    refresh(shared, "notes")
    endpoint.forget()
    refresh(shared, "copies")
    assert endpoint.texts == ["The weir is closed for repairs."]
    seen = rows(database, "SELECT DISTINCT uri FROM search.chunks WHERE collection = 'copies' ORDER BY uri")
    assert [uri for (uri,) in seen] == ["copy.md", "own.txt"]


def test_a_session_that_has_met_no_vector_makes_a_space_and_makes_its_function_anew(database: Database) -> None:
    """A setting of pgvector's may be written into a function only where its library is loaded, or by a superuser."""
    probed = {"model": "m", "query_model": "m", "served_model": "m", "dimensions": 3, "storage": "vector"}
    probed |= {"passage_prefix": "", "query_prefix": "", "normalised": True, "token_limit": 512}
    with database.connect() as session:
        made = make_space(session, "small", probed | {"tokenizer": "estimate", "max_inputs": 8})
    assert made.live
    with database.connect(role="owner") as session:
        session.connection.execute("SELECT make_nearest(space_id) FROM spaces")
