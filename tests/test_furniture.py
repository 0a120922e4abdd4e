"""Headers, footers and page numbers: they are kept out, and no heading, price or paragraph with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.elements.document import Block
from assets.elements.furniture import page_number_in, without_furniture
from assets.elements.parsing import assemble
from assets.elements.readers.pdf.reader import read_pdf
from tests.fakes.print import line, lines, make_pdf

TOP, BOTTOM = (0.03, 0.044), (0.95, 0.964)
MIDDLE = [Block("NarrativeText", f"Gate {n} was closed.", page=1, band=(0.4 + n / 50, 0.414 + n / 50)) for n in (1, 2)]
PROSE = ["The gate is closed when the tide turns, and the keeper", "walks the length of the deck, and back again."]


def at(band: tuple[float, float], texts: Iterable[str]) -> list[Block]:
    """Return one block a page, and a paragraph of its own in the middle of each."""
    found: list[Block] = []
    for page, text in enumerate(texts, start=1):
        found += [Block("UncategorizedText", text, page=page, band=band)]
        found += [Block("NarrativeText", f"About gate {'abcdefghijkl'[page]}.", page=page, band=(0.5, 0.514))]
    return found


def lost(blocks: list[Block]) -> list[str]:
    """Return the texts that are kept out."""
    kept = list(without_furniture(blocks, Counter()))
    return [block.text for block in blocks if block not in kept]


@pytest.mark.parametrize("name", ["Chapter {}", "Question {}", "Step {}"])
def test_a_chapter_a_page_keeps_its_headings_and_its_last_paragraph(name: str) -> None:
    pages = [
        line(name.format(n), 60, 690, size=14)
        + lines(PROSE, 60, 660)
        + line(f"Chapter {n} has a last line that is number 2.", 60, 600)
        + line("Answer 42", 60, 570)
        for n in range(1, 6)
    ]
    parsed = assemble(read_pdf(make_pdf(*pages)))
    assert [name.format(n) in parsed.text for n in range(1, 6)] == [True] * 5
    assert parsed.title == name.format(1)
    assert parsed.text.count("has a last line") == parsed.text.count("Answer 42") == 5
    assert "furniture" not in parsed.counters


@pytest.mark.parametrize("band", [TOP, BOTTOM, (0.13, 0.144)])
def test_numbers_that_do_not_move_with_the_page_make_different_texts(band: tuple[float, float]) -> None:
    assert lost(at(band, ["Price 430 yen", "Price 510 yen", "Price 90 yen", "Price 115 yen"])) == []


def test_a_heading_and_what_is_as_large_as_one_are_kept_even_if_they_repeat() -> None:
    same = at(TOP, ["Gate"] * 4)
    assert lost(same) == ["Gate"] * 4
    assert lost([Block("Title", b.text, int(b.text == "Gate"), b.page, band=b.band) for b in same]) == []
    assert lost(at((0.03, 0.05), ["Gate"] * 4)) == []


@pytest.mark.parametrize(
    "header", ["Minase | Report | {}", "Minase office, page {}", "{} | 水瀬", "水瀬 2026 - {} / 9"]
)
def test_a_header_whose_number_moves_with_the_page_is_kept_out(header: str) -> None:
    texts = [header.format(n) for n in range(11, 15)]
    assert lost(at(TOP, texts)) == lost(at(BOTTOM, texts)) == texts


def test_a_footer_needs_no_mark_before_its_number_where_a_heading_cannot_be() -> None:
    texts = [f"Minase report {n}" for n in range(7, 12)]
    assert lost(at(BOTTOM, texts)) == texts
    assert lost(at(TOP, texts)) == []


def test_the_same_first_or_last_line_is_a_header_or_a_footer_only_where_one_would_stand() -> None:
    assert lost(at((0.15, 0.164), ["Table of Contents"] * 3)) == ["Table of Contents"] * 3
    assert lost(at((0.7, 0.714), ["Minase office"] * 3)) == ["Minase office"] * 3
    assert lost(at((0.3, 0.314), ["See the answer"] * 3)) == []


def test_the_cells_at_the_edges_of_a_table_are_no_page_numbers() -> None:
    rows = [[(f"M{n}", f"{n * 10}", "in stock" if n % 3 else "") for n in part] for part in (range(44), range(44, 60))]
    pages = [
        "".join(
            line(cell, 60 + 150 * column, 760 - 16 * number)
            for number, row in enumerate(part)
            for column, cell in enumerate(row)
            if cell
        )
        for part in rows
    ]
    text = assemble(read_pdf(make_pdf(*pages))).text
    assert [price for price in range(0, 600, 10) if f"M{price // 10} | {price} |" not in text] == []


def test_a_table_is_never_a_page_number() -> None:
    blocks = [Block("Table", str(page), page=page, html="", band=BOTTOM) for page in range(1, 5)]
    assert lost(blocks) == []


@pytest.mark.parametrize("number", ["4711", "2", "I", "i", "C", "Mix", "civil", "3 / 2"])
def test_a_lone_page_keeps_what_is_not_its_own_number(number: str) -> None:
    for band in (TOP, BOTTOM):
        assert lost([Block("Text", number, page=1, band=band), *MIDDLE]) == []


@pytest.mark.parametrize("number", ["1", "- 1 -", "1 / 2", "１", "p. 1", "Page 3 of 9", "3ページ", "第3頁"])
def test_a_lone_page_loses_its_own_number_and_what_is_called_one(number: str) -> None:
    assert lost([*MIDDLE, Block("Text", number, page=1, band=BOTTOM)]) == [number]
    assert lost([*MIDDLE, Block("Text", number, page=1, band=(0.6, 0.614))]) == []


@pytest.mark.parametrize(
    "numbers", [["12", "13", "14"], ["i", "ii", "iii", "iv"], ["- 8 -", "- 9 -", "- 10 -"], ["4 / 9", "5 / 9", "6 / 9"]]
)
def test_bare_numbers_that_go_on_as_the_pages_do_are_kept_out(numbers: list[str]) -> None:
    assert lost(at(BOTTOM, numbers)) == numbers


@pytest.mark.parametrize("numbers", [["12", "30", "41"], ["C", "D", "I"], ["I", "II", "III"], ["mix", "civic", "lil"]])
def test_numbers_and_words_that_do_not_are_kept(numbers: list[str]) -> None:
    assert lost(at(BOTTOM, numbers)) == []


def test_a_number_beside_a_footer_is_the_pages_and_one_beside_a_cell_is_not() -> None:
    def beside(names: list[str]) -> list[str]:
        numbers = at(BOTTOM, ["1", "2"])
        return lost([*numbers, *(Block("Text", name, page=n, band=BOTTOM) for n, name in enumerate(names, start=1))])

    assert beside(["Apples", "Pears"]) == []
    assert beside(["Page 1 of 2", "Page 2 of 2"]) == ["1", "2", "Page 1 of 2", "Page 2 of 2"]


@given(st.integers(1, 99))
def test_a_roman_number_is_read_as_what_it_says(value: int) -> None:
    tens = ["", "x", "xx", "xxx", "xl", "l", "lx", "lxx", "lxxx", "xc"]
    ones = ["", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"]
    written = tens[value // 10] + ones[value % 10]
    assert page_number_in(written) == ("roman", value)
    assert page_number_in(written.upper()) is None
