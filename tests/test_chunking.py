"""Cutting: what every way of cutting a document must keep, and where it may cut."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import accumulate, pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.chunks.chunking import Chunk, chunk
from assets.chunks.splitting import Count, split
from assets.elements.document import Element
from assets.recipes import chunk_recipe, chunking_of
from assets.settings import Chunking
from resources.tokenizers import load_tokenizer

ESTIMATE = load_tokenizer("estimate").count


def words(text: str) -> int:
    """Count exactly: a run of letters and digits is one token, as is every mark and every ideograph."""
    return len(re.findall(r"[A-Za-z0-9]+|[^\sA-Za-z0-9]", text))


PROPERTY = settings(max_examples=40, deadline=None)
COUNTERS = pytest.mark.parametrize("count", [words, ESTIMATE], ids=["words", "estimate"])

Piece = tuple[str, int]
"""Text of an element and its heading level."""


def document(pieces: Sequence[Piece], page_of: Sequence[int] | None = None) -> tuple[str, list[Element]]:
    """Join pieces as the parser does: a blank line between them, spans into the whole."""
    elements: list[Element] = []
    at = 0
    for number, (text, level) in enumerate(pieces):
        page = page_of[number] if page_of else None
        elements.append(Element("Title" if level else "NarrativeText", at, at + len(text), level, page))
        at += len(text) + 2
    return "\n\n".join(text for text, _ in pieces), elements


def chunking(max_tokens: int = 32, min_tokens: int = 0, *, heading_path: bool = True) -> Chunking:
    """Make settings as the file would."""
    return Chunking(max_tokens=max_tokens, min_tokens=min_tokens, heading_path=heading_path)


def cut(pieces: Sequence[Piece], how: Chunking, count: Count = words) -> tuple[str, list[Chunk]]:
    """Cut a document made of pieces."""
    text, elements = document(pieces)
    return text, chunk(text, elements, how, count)


def sentences(number: int, size: int = 8) -> str:
    """Write English sentences of exactly `size` tokens by `words`."""
    return " ".join(" ".join(f"w{index}x{word}" for word in range(size - 1)) + "." for index in range(number))


_LATIN = st.text("abcdefghij", min_size=1, max_size=12)
_KANA = st.text("水門を開ける点検毎月あいうえお", min_size=1, max_size=14)
_MARK = st.sampled_from(["。", "、", ". ", ", ", "! ", "？", "」", " ", "\n", ": ", "「", "(", ") "])
_BODY = (
    st.lists(_LATIN | _KANA | _MARK, min_size=1, max_size=40).map(lambda parts: " ".join("".join(parts).split(" ")))
    .map(str.strip).filter(bool)
)  # fmt: skip
_HEADING = st.lists(_LATIN | _KANA, min_size=1, max_size=8).map(" ".join)
PIECES = st.lists(
    st.tuples(_BODY, st.just(0)) | st.tuples(_HEADING, st.integers(1, 4)), min_size=1, max_size=12
)  # fmt: skip
HOW = st.builds(
    lambda most, share, path: Chunking(max_tokens=most, min_tokens=int(most * share), heading_path=path),
    st.integers(16, 80), st.floats(0, 0.9), st.booleans(),
)  # fmt: skip


@COUNTERS
@PROPERTY
@given(pieces=PIECES, how=HOW)
def test_slicing_the_text_by_the_span_gives_the_passage_that_is_shown(
    count: Count, pieces: list[Piece], how: Chunking
) -> None:
    text, chunks = cut(pieces, how, count)
    for piece in chunks:
        assert text[piece.start : piece.end] == piece.text[piece.body_start :]
        assert piece.text[piece.body_start :] == piece.text[piece.body_start :].strip() != ""


@COUNTERS
@PROPERTY
@given(pieces=PIECES, how=HOW)
def test_chunks_follow_each_other_and_leave_out_nothing_but_white_space(
    count: Count, pieces: list[Piece], how: Chunking
) -> None:
    text, chunks = cut(pieces, how, count)
    assert all(before.end <= after.start for before, after in pairwise(chunks))
    edges = [0, *(edge for piece in chunks for edge in (piece.start, piece.end)), len(text)]
    gaps = [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    assert all(gap.strip() == "" for gap in gaps)


@COUNTERS
@PROPERTY
@given(pieces=PIECES, how=HOW)
@example(  # Headings that were held back from the chunk before count towards the next one too.
    pieces=[("h", 1), ("a " * 15, 0), ("b " * 8, 2), ("c " * 20, 0)], how=Chunking(max_tokens=32, min_tokens=0)
)
def test_no_chunk_is_longer_than_the_limit(count: Count, pieces: list[Piece], how: Chunking) -> None:
    _, chunks = cut([(text.strip(), level) for text, level in pieces], how, count)
    assert [piece.text for piece in chunks if count(piece.text) > how.max_tokens] == []


@COUNTERS
@PROPERTY
@given(pieces=PIECES, how=HOW)
def test_the_tokens_of_a_chunk_are_never_understated(count: Count, pieces: list[Piece], how: Chunking) -> None:
    _, chunks = cut(pieces, how, count)
    assert all(count(piece.text) <= piece.tokens <= how.max_tokens for piece in chunks)


def test_wide_white_space_inside_an_element_counts_towards_the_limit() -> None:
    aligned = (" " * 30).join(f"column{number}" for number in range(20))
    _, chunks = cut([(aligned, 0)], chunking(32), ESTIMATE)
    assert max(ESTIMATE(piece.text) for piece in chunks) <= 32


@PROPERTY
@given(sizes=st.lists(st.integers(1, 11), min_size=1, max_size=30))
def test_an_english_paragraph_is_cut_only_at_sentence_ends(sizes: list[int]) -> None:
    written = [" ".join(f"s{at}w{word}" for word in range(size)) + "." for at, size in enumerate(sizes)]
    text, chunks = cut([(" ".join(written), 0)], chunking(16))
    assert all(piece.text.endswith(".") for piece in chunks)
    assert " ".join(piece.text for piece in chunks) == text


@PROPERTY
@given(sizes=st.lists(st.integers(1, 10), min_size=1, max_size=30), closed=st.booleans())
def test_a_japanese_paragraph_is_cut_only_at_sentence_ends(sizes: list[int], closed: bool) -> None:
    written = [("「" if closed else "") + "水" * size + ("。」" if closed else "。") for size in sizes]
    _, chunks = cut([("".join(written), 0)], chunking(16, heading_path=False))
    assert all(piece.text.endswith("。」" if closed else "。") for piece in chunks)


@PROPERTY
@given(sizes=st.lists(st.integers(3, 9), min_size=2, max_size=20))
def test_a_mark_that_ends_a_sentence_is_never_parted_from_a_second_one(sizes: list[int]) -> None:
    _, chunks = cut([("".join("水" * size + "！？" for size in sizes), 0)], chunking(16, heading_path=False))
    assert [piece.text for piece in chunks if piece.text.startswith("？")] == []


def test_a_table_is_cut_between_rows() -> None:
    rows = [f"bolt {number} | size {number} | price {number}" for number in range(12)]
    _, chunks = cut([("\n".join(rows), 0)], chunking(24, heading_path=False))
    assert len(chunks) > 1
    assert [row for piece in chunks for row in piece.text.split("\n")] == rows


def test_a_sentence_that_is_too_long_is_cut_at_a_clause_or_between_words() -> None:
    text = "水門を開ける、" * 3 + "点検する、" * 6 + "閉める。"
    _, chunks = cut([(text, 0)], chunking(16, heading_path=False))
    assert all(piece.text.endswith(("、", "。")) for piece in chunks)
    _, chunks = cut([(" ".join(f"word{number}" for number in range(50)), 0)], chunking(16))
    assert all(re.fullmatch(r"word\d+( word\d+)*", piece.text) for piece in chunks)


GRAPHEMES = st.sampled_from(
    ["水", "a", "👨‍👩‍👧‍👦", "👩🏽‍🚒", "🇯🇵", "か\u3099", "e\u0301", "ﾊﾟ", "葛\U000e0100", "1️⃣", "ก็", "한"]
)  # fmt: skip


@COUNTERS
@PROPERTY
@given(graphemes=st.lists(GRAPHEMES, min_size=1, max_size=120), room=st.integers(8, 20))
def test_a_text_without_breaks_is_cut_between_graphemes(count: Count, graphemes: list[str], room: int) -> None:
    text = "".join(graphemes)
    edges = {0, *accumulate(map(len, graphemes))}
    pieces = list(split(text, room, count))
    assert [edge for start, end, _ in pieces for edge in (start, end) if edge not in edges] == []
    assert "".join(text[start:end] for start, end, _ in pieces) == text
    assert all(count(text[start:end]) == tokens <= room for start, end, tokens in pieces)


def test_a_text_without_breaks_is_cut_in_full_pieces() -> None:
    pieces = list(split("水" * 100, 16, words))
    assert [tokens for _, _, tokens in pieces] == [16, 16, 16, 16, 16, 16, 4]


@PROPERTY
@given(
    sections=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 12)), min_size=1, max_size=8
    ),
    path=st.booleans(),
)  # fmt: skip
@example(sections=[(1, 1, 1), (2, 6, 3)], path=True)
def test_a_heading_stays_with_what_follows_it(sections: list[tuple[int, int, int]], path: bool) -> None:
    pieces: list[Piece] = []
    for number, (level, length, body) in enumerate(sections):
        pieces += [(" ".join([f"heading{number}", *["of"] * (length - 1)]), level), (sentences(body, 8), 0)]
    text, elements = document(pieces)
    chunks = chunk(text, elements, chunking(48, 8, heading_path=path), words)
    heading_ends = {element.end for element in elements if element.level}
    assert [piece.text for piece in chunks if piece.end in heading_ends] == []


def test_a_document_that_ends_with_a_heading_keeps_it() -> None:
    _, chunks = cut([(sentences(2), 0), ("Contacts", 1)], chunking(32))
    assert chunks[-1].text.endswith("Contacts")


def test_the_heading_path_holds_the_headings_above_and_those_that_the_chunk_begins_with() -> None:
    pieces = [
        ("Gate", 1), (sentences(3), 0), ("Checks", 2), (sentences(3), 0), ("Hinges", 3), (sentences(3), 0),
        ("Paint", 2), (sentences(3), 0), ("Tides", 1), (sentences(3), 0),
    ]  # fmt: skip
    _, chunks = cut(pieces, chunking(40, 8))
    assert [piece.heading_path for piece in chunks] == [
        ("Gate",), ("Gate", "Checks"), ("Gate", "Checks", "Hinges"), ("Gate", "Paint"), ("Tides",),
    ]  # fmt: skip
    assert chunks[2].text.startswith("Gate > Checks\n\nHinges\n\n")
    assert chunks[4].body_start == 0


def test_a_heading_is_never_listed_under_its_own_neighbour() -> None:
    _, chunks = cut([("Gate", 1), ("Empty", 2), ("Checks", 2), (sentences(2), 0)], chunking(48))
    assert [piece.heading_path for piece in chunks] == [("Gate", "Checks")]


def test_a_later_piece_of_a_section_stands_under_its_heading() -> None:
    _, chunks = cut([("Gate", 1), ("Checks", 2), (sentences(12), 0)], chunking(40))
    assert len(chunks) > 2
    assert {piece.heading_path for piece in chunks} == {("Gate", "Checks")}
    assert all(piece.text.startswith("Gate > Checks\n\n") for piece in chunks[1:])


def test_headings_that_are_too_long_to_embed_are_left_out_from_the_outside() -> None:
    outer = " ".join(["outer"] * 9)
    _, chunks = cut([(outer, 1), ("Inner", 2), (sentences(12), 0)], chunking(40))
    assert chunks[-1].heading_path == (outer, "Inner")
    assert chunks[-1].text.startswith("Inner\n\n")


def test_without_a_heading_path_the_passage_alone_is_embedded() -> None:
    _, chunks = cut([("Gate", 1), ("Checks", 2), (sentences(12), 0)], chunking(40, heading_path=False))
    assert all(piece.body_start == 0 for piece in chunks)
    assert chunks[-1].heading_path == ("Gate", "Checks")


@PROPERTY
@given(sizes=st.lists(st.integers(1, 24), min_size=1, max_size=12), least=st.integers(0, 24))
def test_a_chunk_is_shorter_than_the_least_only_where_the_next_section_has_no_room_in_it(
    sizes: list[int], least: int
) -> None:
    pieces: list[Piece] = []
    for number, size in enumerate(sizes):
        pieces += [(f"heading{number}", 1), (" ".join(["word"] * size), 0)]
    _, chunks = cut(pieces, chunking(32, least, heading_path=False))
    for this, following in pairwise(chunks):
        # A heading and the body below it are the smallest thing that could have been added.
        added = words("heading" + following.text.split("heading")[1])
        assert this.tokens >= least or this.tokens + added + 3 > 32


def test_sections_of_the_least_size_stand_alone() -> None:
    pieces = [("Gate", 1), ("word " * 10 + "word", 0), ("Tides", 1), ("word " * 10 + "word", 0)]
    _, chunks = cut(pieces, chunking(64, 12))
    assert [piece.heading_path for piece in chunks] == [("Gate",), ("Tides",)]


def test_a_short_section_is_joined_with_the_next_under_the_same_heading() -> None:
    pieces = [("Gate", 1), ("Oil", 2), ("Yearly.", 0), ("Paint", 2), (sentences(2), 0)]
    _, chunks = cut(pieces, chunking(64, 16))
    assert len(chunks) == 1


def test_a_short_section_is_not_joined_with_one_under_another_heading() -> None:
    pieces = [("Gate", 1), ("Oil", 2), (sentences(1), 0), ("Tides", 1), ("Tables", 2), (sentences(3), 0)]
    _, chunks = cut(pieces, chunking(64, 24))
    assert [piece.heading_path for piece in chunks] == [("Gate", "Oil"), ("Tides", "Tables")]


def test_a_chunk_names_the_pages_that_it_touches_in_order() -> None:
    text, elements = document([("one.", 0), ("two.", 0), (sentences(3), 0)], page_of=[2, 3, 5])
    chunks = chunk(text, elements, chunking(32, heading_path=False), words)
    assert [piece.pages for piece in chunks] == [(2, 3, 5)]


def test_a_document_without_elements_has_no_chunks() -> None:
    assert chunk("", [], chunking(), words) == []


@PROPERTY
@given(pieces=PIECES, how=HOW)
def test_cutting_twice_gives_the_same(pieces: list[Piece], how: Chunking) -> None:
    assert cut(pieces, how) == cut(pieces, how)


@pytest.mark.parametrize(
    "declared",
    [
        {"max_tokens": 15}, {"max_tokens": 8001}, {"min_tokens": -1}, {"max_tokens": 64, "min_tokens": 64},
        {"max_tokens": "many"}, {"overlap": 10},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(declared: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Chunking.model_validate(declared)


def test_settings_at_the_bounds_are_taken() -> None:
    assert Chunking(max_tokens=16, min_tokens=15).min_tokens == 15
    assert Chunking(max_tokens=8000, min_tokens=0).max_tokens == 8000


def test_what_was_cut_under_earlier_defaults_is_not_cut_again() -> None:
    first_release = {"max_tokens": 256, "min_tokens": 48, "heading_path": True, "tokenizer": "xlm-roberta"}
    assert chunk_recipe(Chunking.model_validate({}), "xlm-roberta").declared == first_release
    assert "overlap_tokens" in chunk_recipe(Chunking.model_validate({"overlap_tokens": 8}), "xlm-roberta").declared


@pytest.mark.parametrize("tokens", [256, 384, 400])
def test_a_size_that_is_declared_is_not_the_default(tokens: int) -> None:
    declared = chunk_recipe(Chunking.model_validate({"max_tokens": tokens}), "xlm-roberta").params()
    default = chunk_recipe(Chunking.model_validate({}), "xlm-roberta").params()
    assert declared["declared"] != default["declared"]


@pytest.mark.parametrize("settings", [{}, {"max_tokens": 256}, {"max_tokens": 384, "overlap_tokens": 8}])
def test_a_recipe_tells_what_it_was_cut_with(settings: dict[str, int]) -> None:
    chunking = Chunking.model_validate(settings)
    details = json.loads(chunk_recipe(chunking, "xlm-roberta").params()["details"])
    assert chunking_of(details) == chunking
    details["versions"].pop("max_tokens", None)  # As the first release wrote it.
    assert chunking_of(details).max_tokens == settings.get("max_tokens", 256)
