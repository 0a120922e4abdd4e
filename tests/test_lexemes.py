"""The tokenizer in SQL: what a question asks for is what a text was stored with, in either language or both at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL, Identifier

from resources.migrator import migrate
from resources.postgres import Database

PROPERTY = settings(max_examples=150, deadline=None)

QUARTER = 0.25
"""Weight of a term that only holds a sentence together."""

LONGEST = 65_536
"""Characters of a text that are read."""


@dataclass(frozen=True)
class Tokenizer:
    """The SQL functions of one database."""

    connection: psycopg.Connection[Any]

    def value(self, query: str, *params: Any) -> Any:
        """Return the one value of a query."""
        row = self.connection.execute(query.encode(), params).fetchone()
        assert row is not None
        return row[0]

    def fold(self, text: str) -> str:
        """Fold a text."""
        return str(self.value("SELECT corpus.fold_text(%s)", text))

    def count(self, text: str) -> dict[str, int]:
        """Return the lexemes of a text and how often it holds each."""
        query = b"SELECT lexeme, cardinality(positions) FROM unnest(corpus.lexemes(%s))"
        return dict(self.connection.execute(query, [text]).fetchall())

    def terms(self, question: str) -> dict[str, float]:
        """Return the terms of a question with their weights; a prefix ends with an asterisk."""
        query = b"SELECT term || CASE WHEN prefix THEN '*' ELSE '' END, weight FROM corpus.question_terms(%s)"
        return dict(self.connection.execute(query, [question]).fetchall())

    def finds(self, question: str, text: str) -> bool:
        """Whether a question has terms, and a text holds them all."""
        query = (
            "SELECT coalesce(bool_and(corpus.lexemes(%s) @@ corpus.term_query(q.term, q.prefix)), false) "
            "FROM corpus.question_terms(%s) AS q"
        )
        return bool(self.value(query, text, question))


@contextmanager
def made_database(postgres: str, name: str, how: str) -> Iterator[str]:
    """Make a database for as long as the block lasts; gives its DSN."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {} ").format(Identifier(name)) + SQL(how))
        try:
            yield postgres.replace("/postgres?", f"/{name}?")
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture(scope="module")
def tokenizer(postgres: str, template: str) -> Iterator[Tokenizer]:
    """The tokenizer of a database of this module's own."""
    with (
        made_database(postgres, "lexemes", f"TEMPLATE {template}") as dsn,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        yield Tokenizer(connection)


@pytest.mark.parametrize(
    ("term", "forms"),
    [
        ("mg204", ("MG-204", "mg204", "ＭＧ－２０４", "mg‐204", "MG_204", "Mg204")),
        ("e21", ("E-21", "e21", "Ｅ２１")),
        ("1.13.27", ("1.13.27", "v1.13.27", "１．１３．２７")),
        ("foobar", ("foo_bar", "FOO_BAR", "foo-bar", "foo.bar", "foobar")),
        ("1234", ("1,234", "1234", "１，２３４")),
        ("1234.50", ("1,234.50", "1234.50")),
        ("cplusplus", ("C++", "c++", "Ｃ＋＋")),
        ("taroyamada", ("taro.yamada@example.com", "Taro.Yamada@Example.COM")),
        ("mb", ("10 MB", "10MB", "10㎆")),
        ("don", ("don't", "don’t", "DON'T")),
        ("gate", ("gates", "gate", "Gate's", "GATES")),
        ("cafe", ("café", "CAFÉ", "cafe", "cafe\u0301")),
        ("strass", ("Straße", "STRASSE", "straẞe")),
        ("αθηνα", ("Αθήνα", "ΑΘΗΝΑ")),
        ("москва", ("Москва", "МОСКВА")),
        ("高崎", ("高崎", "髙﨑", "髙崎")),
        ("渡辺", ("渡辺", "渡邉", "渡邊", "渡邉\U000e0100")),
        ("斉藤", ("斎藤", "齋藤", "斉藤", "齊藤")),
        ("浜", ("浜", "濱", "濵")),
        ("沢", ("沢", "澤")),
        ("図書", ("図書館", "圖書館", "圖書舘")),
        ("水門", ("水門", "水門\ufe00")),
        ("佐木", ("佐々木", "佐佐木", "佐〻木")),
        ("ガギ", ("ガギ", "ｶﾞｷﾞ", "カ\u3099キ\u3099")),
        ("ケ関", ("霞ヶ関", "霞ケ関")),
        ("株式", ("株式会社", "㍿")),
    ],
)
def test_what_is_written_in_several_ways_has_a_term_in_common(
    tokenizer: Tokenizer, term: str, forms: tuple[str, ...]
) -> None:
    for form in forms:
        assert term in tokenizer.count(form), form
        assert {term, f"{term}*"} & set(tokenizer.terms(form)), form


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("水門", "「MG-204型水門」の点検"),
        ("MG-204", "「MG-204型水門」の点検"),
        ("204", "「MG-204型水門」の点検"),
        ("門", "水門"),
        ("水", "水門"),
        ("門", "門"),
        ("型", "「MG-204型水門」の点検"),
        ("ん", "みかん"),
        ("みかん", "みかんの木"),
        ("水門 gate", "Gateと水門"),
        ("bar", "snake_foo_bar.py"),
        ("example.com", "mail to taro@example.com, please"),
        ("C", "written in C++"),
        ("csharp", "written in C#"),
        ("to be or not to be", "To be, or not to be: that is the question."),
        ("200", "the values 100,200,300"),
        ("한국", "한국어"),
        ("語", "한국語"),
    ],
)
def test_a_question_finds_what_holds_it(tokenizer: Tokenizer, question: str, text: str) -> None:
    assert tokenizer.finds(question, text)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("は", "ば"),
        ("ハス", "バス"),
        ("京都", "東京 都庁"),
        ("門", "問題"),
        ("204", "MG-2045"),
        ("1.13.27", "1.13.28"),
        ("C++", "C"),
        ("...", "..."),
        ("", "text"),
    ],
)
def test_a_question_does_not_find_what_only_looks_like_it(tokenizer: Tokenizer, question: str, text: str) -> None:
    assert not tokenizer.finds(question, text)


def test_a_lexeme_counts_how_often_the_text_holds_it(tokenizer: Tokenizer) -> None:
    assert tokenizer.count("Gates and gates, a gate. 水門の水門") == {
        "gate": 3, "and": 1, "a": 1, "水門": 2, "門の": 1, "の水": 1, "門": 1,
    }  # fmt: skip
    assert (
        tokenizer.value("SELECT corpus.lexeme_count(corpus.lexemes(%s))", "Gates and gates, a gate. 水門の水門") == 10
    )


def test_the_terms_of_a_question_are_distinct_and_weighed(tokenizer: Tokenizer) -> None:
    assert tokenizer.terms("What is the gate of gates?") == {
        "what": QUARTER, "is": QUARTER, "the": QUARTER, "of": QUARTER, "gate": 1,
    }  # fmt: skip
    assert tokenizer.terms("水門とは") == {"水門": 1, "門と": 1, "とは": QUARTER}


def test_a_single_character_is_a_prefix_unless_it_is_a_particle_among_words(tokenizer: Tokenizer) -> None:
    assert tokenizer.terms("門") == {"門*": 1}
    assert tokenizer.terms("と") == {"と*": QUARTER}
    assert tokenizer.terms("dpkgとapt") == {"dpkg": 1, "と": QUARTER, "apt": 1}
    assert tokenizer.terms("3月") == {"3": 1, "月*": 1}


WORDS = st.one_of(
    st.text("abcdefgXYZ", min_size=1, max_size=9),
    st.text("水門点検高髙邉佐ヶの。みかんガパー", min_size=1, max_size=12),
    st.sampled_from(["MG-204", "v1.13.27", "foo_bar", "1,234", "C++", "E-21", "naïve", "ｶﾞｷﾞ", "佐々木", "a@b.example"]),
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6),
)


@PROPERTY
@given(words=st.lists(WORDS, min_size=1, max_size=12), data=st.data())
def test_every_run_of_words_of_a_text_finds_it(tokenizer: Tokenizer, words: list[str], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    question = " ".join(words[first : last + 1])
    text = "、 ".join(words)
    assert tokenizer.finds(question, text) or not tokenizer.terms(question)


@PROPERTY
@given(
    run=st.text("水門点検高崎国語東京都庁のをみかんテスト한국어", min_size=1, max_size=20),
    before=st.sampled_from(["", "MG-204", "the ", "「"]),
    data=st.data(),
)
def test_every_part_of_a_japanese_run_finds_the_text(
    tokenizer: Tokenizer, run: str, before: str, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(run) - 1))
    last = data.draw(st.integers(first, len(run) - 1))
    assert tokenizer.finds(run[first : last + 1], before + run)


@PROPERTY
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@example(text="\\':*&|!<->() '' \"")
@example(text="\u0085a\u00a0b\u3000c\u1680d\u180ee")
@example(text="ﷺ" * 40)
def test_any_text_has_lexemes_and_its_length_is_their_sum(tokenizer: Tokenizer, text: str) -> None:
    counted = tokenizer.count(text)
    assert tokenizer.value("SELECT corpus.lexeme_count(corpus.lexemes(%s))", text) == sum(counted.values())
    assert all(term.removesuffix("*") for term in tokenizer.terms(text))
    assert not any(character in lexeme for lexeme in counted for character in " '\\:")


@PROPERTY
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@example(text="人々々木")
@example(text="e\u200d\u0301")
@example(text="か\u200d\u3099")
@example(text="İıſŉǅß")
@example(text="Ά\u0345 ᾼ")
@example(text="〻ヶ髙")
def test_folding_twice_changes_nothing(tokenizer: Tokenizer, text: str) -> None:
    once = tokenizer.fold(text)
    assert tokenizer.fold(once) == once


def test_dakuten_stay_and_other_marks_go(tokenizer: Tokenizer) -> None:
    assert tokenizer.fold("がぱヷ") == "がぱヷ"
    assert tokenizer.fold("Crème Brûlée") == "creme brulee"
    assert tokenizer.fold("йё") == "йё"


def test_each_old_form_becomes_a_present_one_that_stays(tokenizer: Tokenizer) -> None:
    old = "亞惡髙﨑邉邊齋齊濵濱澤嶋廣國圓龍學佛辨辯瓣"
    folded = tokenizer.fold(old)
    assert len(folded) == len(old)
    assert not set(folded) & set(old)
    assert tokenizer.fold(folded) == folded


@pytest.mark.parametrize(
    "text",
    [
        "a" * LONGEST,
        "あ" * LONGEST,
        "a1" * LONGEST,
        "a-" * LONGEST,
        "1," * LONGEST,
        "々" * LONGEST,
        "人々" * LONGEST,
        "a" + "\u0301" * LONGEST,
        "a'" * LONGEST,
        "\ufdfa" * LONGEST,
        "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(LONGEST)),
        "".join(chr(0x20000 + number * 7919 % 40_000) for number in range(LONGEST)),
        " ".join(f"w{number}" for number in range(2 * LONGEST // 5)),
    ],
    ids=lambda text: text[:6],
)
def test_a_text_longer_than_any_chunk_is_read_as_far_as_it_goes(tokenizer: Tokenizer, text: str) -> None:
    with tokenizer.connection.transaction():
        tokenizer.connection.execute("SET LOCAL statement_timeout = '20s'")
        assert 0 < len(tokenizer.count(text)) <= LONGEST
        assert tokenizer.terms(text)


@pytest.mark.parametrize(
    "locale",
    [
        "LC_COLLATE 'C' LC_CTYPE 'C'",
        "LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'",
        "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'",
    ],
)
def test_the_databases_locale_changes_nothing(tokenizer: Tokenizer, postgres: str, locale: str) -> None:
    text = "ÉCOLE Straße ΑΘΗΝΑ МОСКВА MG－204型水門 髙﨑 ｶﾞｷﾞ サーバー 한국어 Ⅳ İstanbul 佐々木 𠮷野家 don’t สวัสดี"
    with made_database(postgres, "lexemes_elsewhere", f"TEMPLATE template0 {locale}") as dsn:
        migrate(Database(dsn))
        with psycopg.connect(dsn) as connection:
            other = Tokenizer(connection)
            assert other.count(text) == tokenizer.count(text)
            assert other.terms(text) == tokenizer.terms(text)


def test_the_variant_list_holds_nothing_that_unicode_folds_already(tokenizer: Tokenizer) -> None:
    source = str(tokenizer.value("SELECT prosrc FROM pg_proc WHERE proname = 'fold_text'"))
    listed = source.partition("variants")[2].partition("standard")[0]
    characters = [character for character in listed if ord(character) > 0x2E80]
    assert len(characters) == len(set(characters)) > 400
    assert all(unicodedata.normalize("NFKC", character) == character for character in characters)
    assert all(tokenizer.fold(character) != character for character in characters)
