"""From bytes to characters: which encoding a text is in, what is stripped from it, which language it is."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.documents.detection import detect_format
from assets.elements.cleaning import Cleaner
from assets.elements.document import Block, Reading, Unparseable
from assets.elements.language import detect_language
from assets.elements.parsing import assemble
from assets.elements.readers.encoding import decode
from assets.elements.readers.plain import read_text
from tests.reading import read

# Encodings.


JAPANESE = "水瀬水門管理所からのお知らせです。①から⑨の㈱髙橋、点検は毎月第一月曜日に行います。\n"


@pytest.mark.parametrize("encoding", ["cp932", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
def test_japanese_with_its_vendors_characters_is_decoded(encoding: str) -> None:
    assert decode(JAPANESE.encode(encoding)) == JAPANESE


def test_circled_numbers_in_euc_jp_and_in_iso_2022_jp_are_decoded() -> None:
    text = "①水門㈱の点検は毎月行います。"
    euc = text.encode("euc_jis_2004")
    assert decode(euc) == text
    assert decode(b"\x1b$B" + bytes(byte & 0x7F for byte in euc) + b"\x1b(B") == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Größe der Türen und Schleusen", "cp1252"), ("café crème à côté", "cp1252"), ("“quoted” – dash €5", "cp1252"),
        ("名前,年齢\n佐藤太郎,30\n髙橋淳,35", "cp932"), ("ｱｲｳ 水門", "cp932"), ("水門", "euc-jp"), ("水門", "cp932"),
        ("한국어 문서입니다. 안녕하세요", "euc-kr"), ("Привет, мир. Это проверка кодировки.", "cp1251"),
        ("这是一个中文文档，用于测试编码。今天天气很好，我们去公园散步。", "gb18030"),
    ],
)  # fmt: skip
def test_a_short_text_in_an_old_encoding_is_told_from_its_bytes(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_declaration_is_believed_only_where_the_bytes_bear_it_out() -> None:
    assert decode("水門を開ける。".encode(), "shift_jis") == "水門を開ける。"
    assert decode("水門を開ける。".encode("cp932"), "iso-8859-1") == "水門を開ける。"
    assert decode("水門".encode("euc-jp"), "x-euc-jp") == "水門"
    assert decode("déjà".encode("cp1252"), "no such encoding") == "déjà"


def test_damage_in_utf_8_is_marked_and_the_rest_read() -> None:
    assert decode("水門を開ける。".encode() + b"\xff" + "点検する。".encode()) == "水門を開ける。\ufffd点検する。"


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="あいうえおカキクケコ水門点検放流。、\n", min_size=4, max_size=60))
def test_japanese_in_any_of_its_encodings_comes_back(text: str) -> None:
    for encoding in ("utf-8", "cp932", "euc_jp", "iso2022_jp"):
        if any(character in text for character in "あいうえおカキクケコ"):
            assert decode(text.encode(encoding)) == text


# Cleaning, language and loss.


def test_what_nobody_can_see_is_stripped_and_counted() -> None:
    cleaner = Cleaner()
    hidden = "".join(chr(0xE0000 + ord(character)) for character in "ignore all")
    assert cleaner.clean(f"Ga\u200bte{hidden} is\u00ad\u2060 \u202eclosed\u202c.\ufeff") == "Gate is closed."
    assert cleaner.counts() == {"stripped": 0, "invisible": 16}


def test_what_shapes_a_letter_stays() -> None:
    scotland = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
    written = f"葛\U000e0100城 👩\u200d🔧 می\u200cخواهم ① ㈱ ＡＢＣ ｶﾞ {scotland}"
    assert Cleaner().clean(written) == written


@pytest.mark.parametrize(
    ("text", "declared", "language"),
    [
        ("水位が高いときは水門を開ける。点検は毎月第一月曜日に行い、結果は所長に報告する。", None, "ja"),
        ("The gate is opened when the water is high, and greased on the first Monday.", None, "en"),
        ("Die Schleuse wird bei Hochwasser geöffnet, und die Türen werden täglich geprüft.", None, "de"),
        ("수문은 수위가 높을 때 열리고 매달 첫째 월요일에 점검합니다. 기록은 사무실에 보관합니다.", None, "ko"),
        (
            "佐藤太郎 東京都千代田区丸の内一丁目九番一号 髙橋淳 名古屋市中区三の丸大阪",
            "ja-JP",
            "ja",
        ),
        ("12 34 56", "en-US", "en"),
        ("12 34 56", None, "und"),
    ],
)
def test_the_language_of_a_document_is_told(text: str, declared: str | None, language: str) -> None:
    assert detect_language(text, declared) == language


def test_a_large_loss_is_no_document_but_a_reason() -> None:
    blocks = [Block("NarrativeText", "The gate is closed.")]
    assert assemble(Reading(blocks, visible=30)).text
    with pytest.raises(Unparseable, match="text_lost"):
        assemble(Reading(blocks, visible=1000))


@pytest.mark.parametrize(
    ("text", "declared", "language"),
    [
        ("我们今天去公园散步，天气很好。这家店叫做「の」的店，卖的东西很多，大家都很喜欢这里的点心。", None, "zh"),
        ("東京都千代田区丸の内一丁目 髙橋淳 株式会社水瀬 大阪府北区", None, "ja"),
        ("12 34 56", "jpn", "ja"),
        ("12 34 56", "zxx", "und"),
    ],
)
def test_the_language_is_told_by_more_than_one_character(text: str, declared: str | None, language: str) -> None:
    assert detect_language(text, declared) == language


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_japanese_in_utf_16_without_a_mark_is_no_binary(encoding: str) -> None:
    content = ("水門の点検は毎月行います。\n" * 5).encode(encoding)
    assert detect_format(content, "a.txt", io.BytesIO(content)) == "txt"
    assert read(read_text, content).text.startswith("水門の点検は毎月行います。")
    assert decode(b"0,0,0,0,0,0,0,0,") == "0,0,0,0,0,0,0,0,"
