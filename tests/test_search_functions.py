"""The search functions: k rows whenever k match, exactness, scores, and what they leave as it was."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import psycopg
import pytest

from resources.postgres import Database, Session
from tests.asking import DIMENSIONS, ask, distances, literal
from tests.worlds import Document, load, make_space, new_database, owner, vector

SATURATION, LENGTH, SHARE = 1.2, 0.75, 0.11
"""Constants of BM25 and of the sum, as sql/objects/0016_search.sql has them."""


# A small table, searched exactly.


@pytest.fixture(scope="module")
def small(postgres: str, template: str) -> Iterator[Database]:
    """A hundred short documents in two collections and two spaces, some of the same text."""
    with new_database(postgres, template) as database:
        words = ("gate", "water", "tide", "sluice", "door", "水門を開ける", "点検", "the", "a v1.2 pump", "O'Hara")
        for name, first in (("notes", 0), ("papers", 50)):
            documents = [
                Document(
                    f"{n:03}.md",
                    [" ".join(words[(n * m + p * p + m) % len(words)] for m in range(1 + n % 7)) for p in range(3)]
                    + ["one text in all"] * (n % 10 == 0),
                    {"n": n},
                )
                for n in range(first, first + 50)
            ]
            load(database, name, documents, metadata={"fields": {"n": {"type": "integer"}}})
        with owner(database) as session:
            half(session)
        yield database


def half(session: Session) -> None:
    """Make a second space of the same vectors in half precision."""
    make_space(session, "half", DIMENSIONS, "halfvec")
    session.connection.execute(
        session.compose("INSERT INTO vectors_half SELECT text_id, embedding::{extension}.halfvec FROM vectors_small")
    )


@pytest.mark.parametrize("space", ["small", "half"])
@pytest.mark.parametrize("where", [{}, {"n": {"lt": 7}}, {"collection": "papers"}])
def test_semantic_equals_an_exact_search_in_numpy(small: Database, space: str, where: dict[str, Any]) -> None:
    stored = ask(
        small,
        f"SELECT text, embedding::text, collection, (metadata ->> 'n')::int FROM search.chunks_{space}",
    )
    matching = {
        text: np.array(json.loads(numbers))
        for text, numbers, collection, n in stored
        if (where.get("collection", collection) == collection) and ("n" not in where or n < 7)
    }
    vectors = np.array(list(matching.values()))
    for words in ("the gate", "点検", "nothing at all"):
        question = np.array(json.loads(vector(words)))
        best = np.sort(distances(vectors, question))
        for k in (1, 7, 1000):
            found = ask(
                small,
                "SELECT text, score, semantic_score, semantic_rank, rank, lexical_score FROM "
                "search.semantic(%s, %s, %s, %s)",
                [space, literal(question), k, json.dumps(where)],
            )
            assert len(found) == min(k, len(matching))
            assert [row[1] for row in found] == pytest.approx(
                list(1 - best[: len(found)]), abs=2e-3 if space == "half" else 1e-5
            )
            assert [row[4] for row in found] == list(range(1, len(found) + 1))
            assert all(row[1] == row[2] and row[3] == row[4] and row[5] is None for row in found)
            assert len({row[0] for row in found}) == len(found)


def test_a_text_in_several_places_is_one_row_that_says_how_many(small: Database) -> None:
    where = json.dumps({"n": {"gte": 10}})
    for query, copies in (("'{}'", 10), ("%(where)s", 9), ('\'{"collection": "papers"}\'', 5)):
        (row,) = ask(
            small,
            f"SELECT collection, uri, ordinal, copies FROM search.semantic('small', %(q)s, 1, {query})",
            {"q": vector("one text in all"), "where": where},
        )
        assert row[2:] == (3, copies)
    assert row[:2] == ("papers", "050.md")


def test_neighbours_come_along_in_order_and_only_those_that_are_there(small: Database) -> None:
    shown = ask(small, "SELECT uri, array_agg(text ORDER BY ordinal) FROM search.chunks GROUP BY uri, collection")
    texts = dict(shown)
    searches = ("hybrid('small', %s, 'gate tide', 30,", "semantic('small', %s, 30,", "semantic('small', %s, 91,")
    for search, reach in product(searches, (0, 1, 2, 10)):
        for uri, ordinal, text, before, after in ask(
            small,
            f"SELECT uri, ordinal, text, text_before, text_after FROM search.{search} neighbours => %s)",
            [vector("tide"), reach],
        ):
            whole = texts[uri]
            assert whole[ordinal] == text
            assert (before or []) == whole[max(0, ordinal - reach) : ordinal]
            assert (after or []) == whole[ordinal + 1 : ordinal + 1 + reach]


def bm25(database: Database, words: str) -> dict[str, float]:
    """Compute BM25 of each published text that holds one of the words, from what is stored and nothing else."""
    with owner(database) as session:
        rows = session.connection.execute(
            "SELECT t.text, t.text_id, u.lexeme, cardinality(u.positions) FROM texts AS t CROSS JOIN LATERAL "
            "unnest(t.lexemes) AS u"
        ).fetchall()
        copies = dict(
            session.connection.execute(
                "SELECT k.text_id, count(*) FROM chunks AS k INNER JOIN heads AS h USING (chunk_set_id) GROUP BY 1"
            ).fetchall()
        )
        terms = session.connection.execute("SELECT term, prefix, weight FROM question_terms(%s)", [words]).fetchall()
    holds: dict[int, dict[str, int]] = {}
    texts = {}
    for text, number, lexeme, often in rows:
        holds.setdefault(number, {})[lexeme] = often
        texts[number] = text
    lengths = {number: sum(found.values()) for number, found in holds.items()}
    total = sum(copies.values())
    average = sum(lengths[number] * count for number, count in copies.items()) / total
    scores: dict[str, float] = {}
    for term, prefix, weight in terms:
        hits = {
            n: sum(often for lexeme, often in found.items() if lexeme == term or (prefix and lexeme.startswith(term)))
            for n, found in holds.items()
        }
        # In how many chunks: of a prefix, the sum over the terms that begin with it.
        spread = sum(
            copies[n]
            for n, found in holds.items()
            for lexeme in found
            if lexeme == term or (prefix and lexeme.startswith(term))
        )
        idf = weight * math.log(1 + (max(total, spread) - spread + 0.5) / (spread + 0.5))
        for number, often in hits.items():
            if often:
                saturated = often / (often + SATURATION * (1 - LENGTH + LENGTH * lengths[number] / average))
                scores[texts[number]] = scores.get(texts[number], 0) + idf * saturated
    return scores


@pytest.mark.parametrize(
    "words", ["gate", "gate tide sluice", "水門", "点検 gate", "v1.2 pump", "O'Hara", "tides gates"]
)
def test_lexical_is_bm25_of_the_stored_terms_and_gives_only_what_holds_a_word(small: Database, words: str) -> None:
    wanted = bm25(small, words)
    found = ask(
        small,
        "SELECT text, score, lexical_score, lexical_rank, semantic_score FROM search.lexical('small', %s, 1000)",
        [words],
    )
    assert dict(row[:2] for row in found) == pytest.approx(wanted, abs=1e-6)
    assert [row[1] for row in found] == sorted((row[1] for row in found), reverse=True)
    assert all(row[1] == row[2] and row[4] is None for row in found)
    assert wanted


def test_hybrid_adds_the_share_of_the_highest_bm25_to_the_cosine(small: Database) -> None:
    highest = ask(
        small, "SELECT (search.explain('small', %s, 'gate tide') #>> '{lexical,highest}')::float8", [vector("door")]
    )[0][0]
    wanted = bm25(small, "gate tide")
    rows = ask(
        small,
        "SELECT text, score, semantic_score, lexical_score FROM search.hybrid('small', %s, 'gate tide', 1000)",
        [vector("door")],
    )
    assert len(rows) > 50
    for text, score, semantic, lexical in rows:
        assert lexical == pytest.approx(wanted.get(text, 0), abs=1e-6)
        assert score == pytest.approx(semantic + SHARE * lexical / highest, abs=1e-9)


@pytest.mark.parametrize("words", ["", "   ", "xyzzy quux", "?!", "'", "\\", "a" * 70000])
def test_words_of_which_nothing_is_known_leave_the_semantic_order(small: Database, words: str) -> None:
    semantic = ask(small, "SELECT text, score FROM search.semantic('small', %s, 20)", [vector("tide")])
    assert ask(small, "SELECT text, score FROM search.hybrid('small', %s, %s, 20)", [vector("tide"), words]) == semantic
    assert ask(small, "SELECT FROM search.lexical('small', %s)", [words]) == []


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        ("semantic('none', '[1]')", "there is no space 'none'", "half, small"),
        ("semantic(null, '[1]')", "there is no space null", "half, small"),
        ("semantic('small', '[1,2]')", "the vector has 2 dimensions, and space small has 32", "asking"),
        ("semantic('small', {zero})", "the vector is zero", "asking"),
        ("semantic('small', null)", "nothing is asked for", ""),
        ("lexical('small', null)", "nothing is asked for", ""),
        ("hybrid('small', null, null)", "nothing is asked for", ""),
        ("semantic('small', {one}, 0)", "k is 0, and may be 1 to 1000", ""),
        ("semantic('small', {one}, -5)", "k is -5", ""),
        ("semantic('small', {one}, 1001)", "k is 1001", ""),
        ("semantic('small', {one}, null)", "k is null", ""),
        ("semantic('small', {one}, 5, '{{}}', 11)", "neighbours is 11, and may be 0 to 10", ""),
        ("semantic('small', {one}, 5, '{{}}', -1)", "neighbours is -1", ""),
        ("semantic('small', {one}, 5, '{{}}', null)", "neighbours is null", ""),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_sentence(small: Database, call: str, message: str, hint: str) -> None:
    one, zero = (f"'{literal(np.full(DIMENSIONS, value))}'" for value in (1.0, 0.0))
    with pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
        ask(small, f"SELECT FROM search.{call.format(one=one, zero=zero)}")
    assert message in (refused.value.diag.message_primary or "")
    assert hint in (refused.value.diag.message_hint or "")


def test_half_of_a_hybrid_question_is_a_question(small: Database) -> None:
    shown = "SELECT text, score FROM search."
    assert ask(small, shown + "hybrid('small', %s, null, 5)", [vector("tide")]) == ask(
        small, shown + "semantic('small', %s, 5)", [vector("tide")]
    )
    assert ask(small, shown + "hybrid('small', null, 'tide', 5)") == ask(small, shown + "lexical('small', 'tide', 5)")


# Scenario 15 of the scorecard, through the functions.

HOSTILE = (
    "t0' OR '1'='1",
    't" || true || "',
    "'; DROP TABLE corpus.heads; --",
    "\\' OR 1=1 --",
    "%",
    "$v0",
    '") ? (@ != null',
    "{}",
)


def test_hostile_values_are_values_and_hostile_words_are_words(postgres: str, template: str) -> None:
    with new_database(postgres, template) as database:
        documents = [
            Document(f"{value}/{n}.md", [f"{value} the gate {n}"], {"team": value}) for n, value in enumerate(HOSTILE)
        ]
        load(database, "notes", documents, metadata={"fields": {"team": {}}})
        for n, value in enumerate(HOSTILE):
            for where in (
                {"team": value},
                {"uri": {"prefix": f"{value}/"}},
                {"or": [{"team": {"in": [value]}}]},
                {"uri": f"{value}/{n}.md"},
            ):
                for call in (
                    "semantic('small', %(q)s, 10, %(f)s)",
                    "lexical('small', 'gate', 10, %(f)s)",
                    "hybrid('small', %(q)s, %(w)s, 10, %(f)s)",
                ):
                    params = {"q": vector(value), "f": json.dumps(where), "w": value}
                    found = ask(database, f"SELECT uri FROM search.{call}", params)
                    assert found == [(f"{value}/{n}.md",)], (value, where, call)
            for where in ({"collection": value}, {"team": f"{value} "}):
                assert ask(database, "SELECT FROM search.lexical('small', 'gate', 10, %s)", [json.dumps(where)]) == []
        assert ask(database, "SELECT count(*) FROM search.documents") == [(len(HOSTILE),)]
