"""Cutting by text: where sentences end, what hostile text costs, and which chunks are flagged."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from assets.chunks.boilerplate import is_boilerplate
from assets.chunks.sentences import sentence_ends
from assets.chunks.splitting import LONGEST_COUNTED, split
from resources.tokenizers import load_tokenizer
from tests.test_chunk_structure import cut, shown
from tests.test_chunking import ESTIMATE, words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Mr. Sato came. He left.", ["Mr. Sato came.", "He left."]),
        ("Use e.g. No. 5, i.e. thin oil, etc. and wait. Go.", ["Use e.g. No. 5, i.e. thin oil, etc. and wait.", "Go."]),
        ("See Fig. 3 vs. Fig. 4. Then stop!", ["See Fig. 3 vs. Fig. 4.", "Then stop!"]),
        ("J. R. Smith lives in the U.S. today. Ask.", ["J. R. Smith lives in the U.S. today.", "Ask."]),
        ("The level is 3.5 m. It falls.", ["The level is 3.5 m.", "It falls."]),
        ("It opened in 1999. It closed.", ["It opened in 1999.", "It closed."]),
        ("1. Open the gate. 2. Close it.", ["1. Open the gate.", "2. Close it."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ('"Stop!" he said. We stopped.', ['"Stop!" he said.', "We stopped."]),
        ("Really?! Yes...", ["Really?!", "Yes..."]),
        ("水門を開ける。閉める！本当か？はい．", ["水門を開ける。", "閉める！", "本当か？", "はい．"]),
        ("「開けます。閉めます。」と言った。次へ。", ["「開けます。閉めます。」と言った。", "次へ。"]),
        ("「開けます。」「閉めます。」彼は答えた。", ["「開けます。」", "「閉めます。」", "彼は答えた。"]),
        ("注意する（夜間も含む。）こと。終わり。", ["注意する（夜間も含む。）", "こと。", "終わり。"]),
        ("１．点検する。２．閉める。", ["１．点検する。", "２．閉める。"]),
        ("水位は３．５ｍである。以上。", ["水位は３．５ｍである。", "以上。"]),
        ("点検する.記録する.終わり.", ["点検する.", "記録する.", "終わり."]),
        ("Model No. 5を使う。Ver. 2は使わない。", ["Model No. 5を使う。", "Ver. 2は使わない。"]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_says_so(text: str, sentences: list[str]) -> None:
    ends = [0, *(at for at, outside in sentence_ends(text, 0, len(text)) if outside), len(text)]
    assert [text[one:other].strip() for one, other in pairwise(ends)] == sentences


def test_a_quoted_sentence_is_parted_only_where_its_frame_has_no_room() -> None:
    text = "「" + "水門を開ける。" * 3 + "」と言った。"
    assert [text[start:end] for start, end, _ in split(text, 40, words)] == [text]
    assert [text[start:end] for start, end, _ in split(text, 15, words)] == [
        "「水門を開ける。水門を開ける。", "水門を開ける。」と言った。"
    ]  # fmt: skip


def test_a_wrapped_line_does_not_end_a_sentence() -> None:
    text = "one two three four\nfive six seven. Eight\nnine ten eleven twelve.\nLast one here."
    assert [" ".join(text[start:end].split()) for start, end, _ in split(text, 10, words)] == [
        "one two three four five six seven.", "Eight nine ten eleven twelve.", "Last one here.",
    ]  # fmt: skip


def test_a_chunk_that_is_half_full_ends_with_its_paragraph() -> None:
    first = " ".join(["word"] * 17) + "."
    long = " ".join(" ".join(["more"] * size) + "." for size in (9, 27, 27))
    chunks = cut([("NarrativeText", first), ("NarrativeText", long)])
    assert shown(chunks[0]) == first
    less = " ".join(["word"] * 12) + "."
    chunks = cut([("NarrativeText", less), ("NarrativeText", long)])
    assert shown(chunks[0]).startswith(f"{less}\n\nmore")


@pytest.mark.parametrize(
    "hostile",
    [
        "." * 200_000,
        "." * 200_000 + "a",
        "。」" * 100_000,
        "a)." * 100_000,
        "「" * 200_000,
        "水" * 100_000,
        "a\n" * 100_000,
    ],
)
def test_a_text_that_is_made_to_take_long_is_counted_a_few_times_and_no_more(hostile: str) -> None:
    counted = 0

    def count(part: str) -> int:
        nonlocal counted
        counted += len(part)
        return ESTIMATE(part)

    assert all(tokens <= 200 for _, _, tokens in split(hostile, 200, count))
    assert counted < 250 * len(hostile)  # A room of 200 tokens, each piece weighed with what it joins.


@pytest.mark.filterwarnings("ignore:open_binary is deprecated")
def test_a_text_of_millions_of_tokens_is_cut_with_a_tokenizer_that_refuses_such_texts() -> None:
    text = "水門" * 150_000
    count = load_tokenizer("cl100k_base").count
    with pytest.raises(Exception, match="limit"):
        count(text)
    asked: list[int] = []

    def counted(part: str) -> int:
        asked.append(len(part))
        return count(part)

    pieces = list(split(text, 4000, counted))
    assert sum(end - start for start, end, _ in pieces) == len(text)
    assert max(asked) <= LONGEST_COUNTED


def test_a_sentence_that_fits_is_never_cut() -> None:
    for seed in range(12):
        written = [f"The gate {number * 7 + seed} is opened by Mr. Sato at 3.5 m." for number in range(40)]
        text = " ".join(written)
        for piece in cut([("NarrativeText", text)], max_tokens=40 + seed):
            assert re.fullmatch(r"(The gate \d+ is opened by Mr\. Sato at 3\.5 m\. ?)+", shown(piece))


def test_a_chunk_that_says_nothing_by_itself_is_flagged_unless_it_is_the_whole_document() -> None:
    long = "w " * 31
    assert [piece.flags for piece in cut([("NarrativeText", long + "."), ("NarrativeText", "p. 3")])] == [
        (), ("near_empty",)
    ]  # fmt: skip
    assert [piece.flags for piece in cut([("NarrativeText", "p. 3")])] == [()]
    short = ("NarrativeText", "水門の点検を毎月行う。記録")
    assert [piece.flags for piece in cut([("NarrativeText", long + "."), short])] == [(), ()]
    heading = ("Title", "A heading of many words", {"level": 1})
    hidden = ("NarrativeText", "Nobody sees what stands here.", {"hidden": True})
    assert [piece.flags for piece in cut([heading, hidden])] == [("near_empty",), ("hidden",)]


@pytest.mark.parametrize(
    "body",
    [
        "© 2024 Minase River Office. All rights reserved.", "Copyright (c) 2019 Minase", "(C) 2020 水瀬川事務所",
        "本サイトの内容の無断転載を禁じます。", "Home | About | Contact", "ホーム ｜ 会社概要 ｜ お問い合わせ",
        "Home\nAbout us\nContact\n© 2024 Minase", "ページの先頭へ戻る", "Back to top", "このページの先頭へ",
        "We use cookies to improve your experience. By continuing you accept our use of cookies.",
        "当サイトではクッキーを使用しています。閲覧を続けると同意したものとみなします。", "本文へスキップ",
        "ホーム > お知らせ\n著作権は水瀬川事務所に帰属します。".replace(" > ", "／会社案内／"),
    ],
)  # fmt: skip
def test_notices_consents_and_rows_of_links_are_boilerplate(body: str) -> None:
    assert is_boilerplate(body)


@pytest.mark.parametrize(
    "body",
    [
        "", "Home", "News\nContact", "The gate is open.", "水門を開ける。",
        "Copyright law protects a work for seventy years.\nThe office keeps a list of works.",
        "Cookies are baked at nine.", "We use cookies as bait for the mice.", "bolt | nut | washer",
        "Contact | Minase Office | 0123-45-6789 | Building 4",
        "無断転載とは何か。\nこの章では著作権法の考え方を述べる。",
        "The gate was repaired.\n© 2024 Minase River Office",
    ],
)  # fmt: skip
def test_what_says_something_is_no_boilerplate(body: str) -> None:
    assert not is_boilerplate(body)


def test_a_table_is_never_boilerplate() -> None:
    assert cut([("Table", "Home | About | Contact")])[0].flags == ()
    assert cut([("NarrativeText", "Home | About | Contact")])[0].flags == ("boilerplate",)


def test_a_question_stays_with_its_answer() -> None:
    answers = ["It is kept for a year. " * 3, "It is kept for two years. " * 3, "It is kept for three. " * 3]
    pairs = [
        pair for answer in answers for pair in (("Title", "How long is it kept?"), ("NarrativeText", answer.strip()))
    ]
    for piece in cut(pairs, max_tokens=40):
        assert not shown(piece).endswith("kept?")
