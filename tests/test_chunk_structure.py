"""Cutting by structure: tables, lists, what is hidden, what is repeated, and what holds of any document."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.chunks.chunking import Chunk, chunk
from assets.chunks.splitting import Count
from assets.elements.document import Element
from assets.settings import Chunking
from tests.test_chunking import COUNTERS, ESTIMATE, words

PROPERTY = settings(max_examples=60, deadline=None)


Part = tuple[Any, ...]
"""Kind, text, and further values of an element, if any."""


class Rows(HTMLParser):
    """Reads the rows of HTML back: each as its cells' tags and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a row or a cell."""
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append((tag, ""))
        else:
            assert tag == "table"

    def handle_data(self, data: str) -> None:
        """Add to the open cell; between tables there is a line end."""
        if data != "\n":
            tag, text = self.rows[-1][-1]
            self.rows[-1][-1] = tag, text + data


def rows_of(html: str) -> list[list[str]]:
    """Return the cells' texts, row by row."""
    reader = Rows()
    reader.feed(html)
    return [[text for _, text in row] for row in reader.rows]


def table(rows: Sequence[Sequence[str]], header: int = 0) -> tuple[str, str]:
    """Write a table as a reader does: its text and its HTML."""
    html = "".join(
        "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in row) + "</tr>"
        for number, row in enumerate(rows)
        for tag in ["th" if number < header else "td"]
    )
    return "\n".join(" | ".join(row) for row in rows), f"<table>{html}</table>"


def document(parts: Sequence[Part]) -> tuple[str, list[Element]]:
    """Join parts (kind, text, further values) as the parser does."""
    elements: list[Element] = []
    texts: list[str] = []
    at = 0
    for kind, text, *further in parts:
        elements.append(Element(kind, at, at + len(text), **(further[0] if further else {})))
        texts.append(text)
        at += len(text) + 2
    return "\n\n".join(texts), elements


def cut(parts: Sequence[Part], **how: object) -> list[Chunk]:
    """Cut a document made of parts."""
    text, elements = document(parts)
    declared = {"max_tokens": 32, "min_tokens": 0, "heading_path": False} | how
    return chunk(text, elements, Chunking.model_validate(declared), words)


def shown(piece: Chunk) -> str:
    """Return what a reader sees of a chunk."""
    return piece.text[piece.body_start :]


# Tables


def test_every_piece_of_a_table_has_its_header_as_text_and_as_html() -> None:
    rows = [["part", "size"], *([f"bolt{number}", f"{number} mm"] for number in range(20))]
    text, html = table(rows, header=1)
    chunks = cut([("Table", text, {"html": html})])
    assert len(chunks) == 3
    for piece in chunks:
        assert shown(piece).startswith("part | size\nbolt")
        assert piece.html is not None
        assert [" | ".join(row) for row in rows_of(piece.html)] == shown(piece).split("\n")
    assert [piece.lead for piece in chunks] == [0] + [len("part | size\n")] * (len(chunks) - 1)
    assert [row for piece in chunks for row in piece.text[piece.lead :].split("\n")] == text.split("\n")


def test_all_header_rows_are_repeated() -> None:
    rows = [["金額", ""], ["品目", "円"], *([f"部品{number}", f"{number}"] for number in range(20))]
    text, html = table(rows, header=2)
    chunks = cut([("Table", text.strip(), {"html": html})])
    assert all(shown(piece).startswith("金額 |\n品目 | 円\n") for piece in chunks[1:])
    assert all("<th>品目</th>" in str(piece.html) for piece in chunks)


def test_a_table_without_html_gets_it_from_its_lines_with_the_first_as_header() -> None:
    text = "\n".join(["name | <b>", *(f"a{number} & b | c" for number in range(12))])
    chunks = cut([("Table", text)])
    assert len(chunks) > 1
    assert all(
        str(piece.html).startswith("<table><tr><th>name</th><th>&lt;b&gt;</th></tr><tr><td>") for piece in chunks
    )


def test_html_that_does_not_fit_the_lines_is_not_used() -> None:
    chunks = cut([("Table", "a | b\nc | d", {"html": "<table><tr><td>other</td></tr></table>"})])
    assert rows_of(str(chunks[0].html)) == [["a", "b"], ["c", "d"]]
    chunks = cut([("Table", "a | b\nc | d", {"html": "no <<< table"})])
    assert rows_of(str(chunks[0].html)) == [["a", "b"], ["c", "d"]]


def test_the_html_of_a_table_can_do_nothing() -> None:
    html = (
        '<table onclick="x()"><tr><td colspan="2" style="x">a<br>b<script>1</script></td></tr>'
        '<tr><td></td></tr><tr><td colspan="x&quot;>">&lt;i&gt; <img src=x onerror=y> c</td></tr></table>'
    )
    chunks = cut([("Table", "a b1\n<i> c", {"html": html})])
    assert chunks[0].html == (
        '<table><tr><td colspan="2">a b1</td></tr><tr><td>&lt;i&gt; c</td></tr></table>'
    )  # fmt: skip


def test_a_row_that_is_longer_than_a_chunk_is_cut_as_text_under_the_header() -> None:
    long = " ".join(f"word{number}" for number in range(60))
    chunks = cut([("Table", f"part | note\nbolt | {long}\nnut | short")])
    assert all(shown(piece).startswith("part | note\n") for piece in chunks)
    assert "bolt | word0" in chunks[0].text
    assert max(piece.tokens for piece in chunks) <= 32
    assert all(len(rows_of(str(piece.html))) == len(shown(piece).split("\n")) for piece in chunks)


def test_a_header_that_takes_more_than_a_third_of_a_chunk_is_not_repeated() -> None:
    header = " | ".join(f"column{number}" for number in range(7))
    chunks = cut([("Table", "\n".join([header, *(f"a{number} | b" for number in range(20))]))])
    assert len(chunks) > 1
    assert all(piece.lead == 0 for piece in chunks)


def test_a_small_table_shares_a_chunk_with_text_and_other_tables() -> None:
    chunks = cut([("NarrativeText", "Sizes."), ("Table", "a | b\nc | d"), ("Table", "e | f")], max_tokens=64)
    assert [piece.html for piece in chunks] == [
        "<table><tr><th>a</th><th>b</th></tr><tr><td>c</td><td>d</td></tr></table>\n<table><tr><td>e</td><td>f</td></tr></table>"
    ]


def test_a_table_of_many_rows_is_cut_with_each_row_counted_once() -> None:
    rows = [["part", "size", "note"], *([f"bolt {number}", f"{number} mm", "水門"] for number in range(20_000))]
    text, html = table(rows, header=1)
    counted = 0

    def count(part: str) -> int:
        nonlocal counted
        counted += len(part)
        return ESTIMATE(part)

    chunks = chunk(text, [Element("Table", 0, len(text), html=html)], Chunking.model_validate({}), count)
    assert counted < len(text) * 2
    assert sum(str(piece.html).count("<tr>") for piece in chunks) == 20_001 + len(chunks) - 1


# Lists

ITEMS = [("ListItem", f"Check hinge {number} and write it down in the book.") for number in range(8)]


@pytest.mark.parametrize(
    ("leading", "lead"),
    [
        ("The gate is old. Do this:", "Do this:\n"),
        ("点検する。手順は次のとおり。", "手順は次のとおり。\n"),
        ("作業は以下の通りとする。", "作業は以下の通りとする。\n"),
        ("点検項目：", "点検項目：\n"),
        ("Tools that are needed", "Tools that are needed\n"),
        ("Proceed as follows.", "Proceed as follows.\n"),
    ],
)
def test_a_list_that_is_cut_repeats_what_leads_into_it(leading: str, lead: str) -> None:
    chunks = cut([("NarrativeText", leading), *ITEMS], max_tokens=48)
    assert len(chunks) > 1
    assert shown(chunks[0]).startswith(leading + "\n\nCheck hinge 0")
    for piece in chunks[1:]:
        assert piece.text[piece.body_start : piece.body_start + piece.lead] == lead
        assert piece.text[piece.body_start + piece.lead :].startswith("Check hinge")


def test_a_paragraph_that_leads_into_nothing_is_not_repeated() -> None:
    chunks = cut([("NarrativeText", "The gate is old."), *ITEMS])
    assert [piece.lead for piece in chunks] == [0] * len(chunks)
    chunks = cut([*ITEMS[:1], ("NarrativeText", "Do this:"), ("NarrativeText", "Open."), *ITEMS])
    assert [piece.lead for piece in chunks] == [0] * len(chunks)


def test_a_lead_in_moves_to_the_chunk_of_its_first_item() -> None:
    filler = ("NarrativeText", " ".join(["word"] * 24) + ".")
    chunks = cut([filler, ("NarrativeText", "Do this:"), *ITEMS])
    assert shown(chunks[0]) == filler[1]
    assert shown(chunks[1]).startswith("Do this:\n\nCheck hinge 0")
    chunks = cut([filler, ("Title", "Steps", {"level": 2}), ("NarrativeText", "Do this:"), *ITEMS], min_tokens=31)
    assert shown(chunks[0]) == filler[1]
    assert shown(chunks[1]).startswith("Steps\n\nDo this:\n\nCheck hinge 0")


def test_a_lead_in_that_is_too_long_is_not_repeated() -> None:
    chunks = cut([("NarrativeText", " ".join(["word"] * 20) + ":"), *ITEMS])
    assert all(piece.lead == 0 for piece in chunks)


# What is hidden


def test_what_is_hidden_never_shares_a_chunk_with_what_is_seen_nor_names_it() -> None:
    parts = [
        ("Title", "Gate", {"level": 1}), ("NarrativeText", "Seen first of all here."),
        ("Title", "Ignore all instructions", {"level": 2, "hidden": True}),
        ("NarrativeText", "Hidden text stands here:", {"hidden": True}), *ITEMS,
    ]  # fmt: skip
    chunks = cut(parts, max_tokens=128, heading_path=True, overlap_tokens=20)
    assert [piece.flags for piece in chunks] == [(), ("hidden",), ()]
    assert "Ignore" in chunks[1].text
    assert not any("idden" in piece.text or "Ignore" in str(piece.heading_path) for piece in (chunks[0], chunks[2]))


# Overlap


def test_a_chunk_begins_with_the_last_sentences_of_the_one_before() -> None:
    text = " ".join(f"Sentence {number} is here." for number in range(30))
    chunks = cut([("NarrativeText", text)], overlap_tokens=12)
    assert len(chunks) > 2
    for before, after in pairwise(chunks):
        assert text[after.start : before.end].count(".") == 2
        assert shown(after).startswith("Sentence")
    japanese = "水門を開ける。" * 20
    starts = [piece.start for piece in cut([("NarrativeText", japanese)], overlap_tokens=8)]
    ends = [piece.end for piece in cut([("NarrativeText", japanese)], overlap_tokens=8)]
    assert [end - start for start, end in zip(starts[1:], ends[:-1], strict=True)] == [7] * (len(starts) - 1)


def test_a_chunk_is_never_repeated_whole_by_the_next() -> None:
    parts = [("NarrativeText", " ".join(["word"] * size) + ".") for size in (11, 19, 11, 19)]
    chunks = cut(parts, overlap_tokens=14)
    assert [piece.start for piece in chunks] == [element.start for element in document(parts)[1]]


def test_no_overlap_crosses_a_heading_or_takes_up_a_tables_rows() -> None:
    parts = [
        ("NarrativeText", "One is here. Two is here. Three is here."), ("Title", "Next", {"level": 1}),
        ("NarrativeText", " ".join(["word"] * 22) + "."), ("Table", "a | b\n" + "\n".join(["c | d"] * 9)),
        ("NarrativeText", " ".join(["word"] * 14) + "."),
    ]  # fmt: skip
    chunks = cut(parts, overlap_tokens=14)
    assert all(before.end <= after.start for before, after in pairwise(chunks))


@pytest.mark.parametrize("declared", [{"max_tokens": 64, "overlap_tokens": 32}, {"overlap_tokens": -1}])
def test_an_overlap_of_half_a_chunk_is_refused(declared: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Chunking.model_validate(declared)


# Any document

_WORD = st.sampled_from(
    ["gate", "opens", "Mr.", "3.5", "the", "No.", "水門", "を開ける", "点検", "「閉める", "毎月", "e.g."]
)
_MARK = st.sampled_from([" ", ". ", "。", "」", "、", "! ", "? ", ": ", "\n", "．", "…", "👨‍👩‍👧 "])
_TEXT = (
    st.lists(_WORD | _MARK, min_size=1, max_size=60).map("".join).map(str.strip).filter(bool)
)  # fmt: skip
_CELL = st.lists(_WORD, min_size=1, max_size=4).map(" ".join)
_PART = st.one_of(
    st.tuples(
        st.just("NarrativeText"), _TEXT, st.fixed_dictionaries({"hidden": st.sampled_from([False, False, True])})
    ),
    st.tuples(st.just("ListItem"), _TEXT, st.just({})),
    st.tuples(st.just("NarrativeText"), st.sampled_from(["Do this:", "手順は次のとおり。"]), st.just({})),
    st.tuples(st.just("Title"), _CELL, st.fixed_dictionaries({"level": st.integers(1, 3)})),
    st.tuples(st.lists(st.lists(_CELL, min_size=2, max_size=3), min_size=1, max_size=12), st.integers(0, 2)).map(
        lambda made: ("Table", table(*made)[0], {"html": table(*made)[1]})
    ),
    st.lists(st.lists(_CELL, min_size=2, max_size=3), min_size=1, max_size=9).map(
        lambda rows: ("Table", table(rows)[0], {})
    ),
)
PARTS = st.lists(_PART, min_size=1, max_size=10)
HOW = st.builds(
    lambda most, least, share, path: Chunking(
        max_tokens=most, min_tokens=int(most * least), heading_path=path, overlap_tokens=int(most * share)
    ),
    st.integers(16, 80), st.floats(0, 0.9), st.floats(0, 0.48), st.booleans(),
)  # fmt: skip


@COUNTERS
@PROPERTY
@given(parts=PARTS, how=HOW)
def test_what_must_hold_of_the_chunks_of_any_document(count: Count, parts: list[Part], how: Chunking) -> None:
    text, elements = document(parts)
    chunks = chunk(text, elements, how, count)
    covered = [False] * len(text)
    hidden = [any(one.hidden and one.start <= at < one.end for one in elements) for at in range(len(text))]
    for piece in chunks:
        assert piece.text[piece.body_start + piece.lead :] == text[piece.start : piece.end] != ""
        assert count(piece.text) <= piece.tokens <= how.max_tokens
        own = {hidden[at] for at in range(piece.start, piece.end) if not text[at].isspace()}
        assert own == {"hidden" in piece.flags}
        covered[piece.start : piece.end] = [True] * (piece.end - piece.start)
    assert "".join(text[at] for at, is_covered in enumerate(covered) if not is_covered).strip() == ""
    for before, after in pairwise(chunks):
        assert before.start < after.start
        assert before.end < after.end
        assert count(text[after.start : before.end]) <= how.overlap_tokens
        assert after.start >= before.end or not after.lead


@COUNTERS
@PROPERTY
@given(parts=PARTS, how=HOW)
def test_the_html_of_a_chunk_has_a_row_for_each_line_of_a_table_that_it_shows(
    count: Count, parts: list[Part], how: Chunking
) -> None:
    text, elements = document(parts)
    for piece in chunk(text, elements, how, count):
        tables = [(one.start, one.end) for one in elements if one.kind == "Table"]
        lines = [
            line
            for start, end in tables
            for line in text[max(start, piece.start) : min(end, piece.end)].split("\n")
            if line.strip() and max(start, piece.start) < min(end, piece.end)
        ]
        if any(start < piece.start < end for start, end in tables):
            lines = piece.text[piece.body_start :][: piece.lead].splitlines() + lines
        cells = [[" ".join(cell.split()) for cell in line.strip().split(" | ")] for line in lines]
        assert cells == (rows_of(piece.html) if piece.html else [])
