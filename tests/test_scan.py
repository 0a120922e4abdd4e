"""The scan: what differs between a listing and what is known, and what a file is."""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.documents.detection import BROKEN, MISNAMED, UNKNOWN, detect_format
from assets.documents.scan import (
    COARSE_CLOCK_NS,
    FINE_CLOCK_NS,
    Comparison,
    Difference,
    Known,
    examine,
    is_settled,
)
from resources.sources import Entry

CORPUS = Path(__file__).resolve().parent.parent / "examples" / "corpus"
PROPERTY = settings(max_examples=100, deadline=None)

NASTY = ["a", "a/b", "a.txt", "a-b", "a b", "A", "ab", "aa", "水", "水/門", "水門.md", "が", "か\u3099", "\n",
         "ｶﾞ", "a\n", "a\nb", "", "😀", "\uffff", "~", "%2F", "'; --"]  # fmt: skip
URIS = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
STAMPS = st.sampled_from(["one", "two"])


def entry(uri: str, stamp: str = "one") -> Entry:
    """Make a listed document."""
    return Entry(uri, stamp, 1)


def known(uri: str, stamp: str = "one", *, settled: bool = True, vanished: bool = False) -> Known:
    """Make a known document, numbered by its uri."""
    return Known(hash(uri), uri, stamp, settled, vanished)


def oracle(listing: Sequence[Entry], remembered: Sequence[Known]) -> dict[str, tuple[Entry | None, Known | None]]:
    """Find the differences the slow way: by looking every uri up on both sides."""
    listed = {item.uri: item for item in listing}
    recorded = {item.uri: item for item in remembered}
    found: dict[str, tuple[Entry | None, Known | None]] = {}
    for uri in listed.keys() | recorded.keys():
        now, then = listed.get(uri), recorded.get(uri)
        if now is None:
            differs = then is not None and not then.vanished
        else:
            differs = then is None or then.vanished or not then.settled or then.stamp != now.stamp
        if differs:
            found[uri] = (now, then)
    return found


@PROPERTY
@given(
    listing=st.dictionaries(URIS, STAMPS, max_size=20),
    remembered=st.dictionaries(URIS, st.tuples(STAMPS, st.booleans(), st.booleans()), max_size=20),
)
def test_the_differences_are_those_that_a_lookup_of_every_uri_finds(
    listing: dict[str, str], remembered: dict[str, tuple[str, bool, bool]]
) -> None:
    entries = [entry(uri, stamp) for uri, stamp in sorted(listing.items())]
    recorded = [
        known(uri, stamp, settled=settled, vanished=vanished)
        for uri, (stamp, settled, vanished) in sorted(remembered.items())
    ]
    comparison = Comparison(entries, recorded)
    differences = list(comparison)
    uris = [(difference.entry or difference.known).uri for difference in differences]  # type: ignore[union-attr]
    expected = oracle(entries, recorded)
    assert uris == sorted(expected)
    assert differences == [Difference(*expected[uri]) for uri in uris]
    assert comparison.listed == len(entries)
    assert comparison.unchanged == len(entries) - sum(difference.entry is not None for difference in differences)


@PROPERTY
@given(uris=st.lists(URIS, min_size=2, max_size=12))
@example(uris=["a", "a"])
@example(uris=["a/b", "a.txt"])
def test_a_listing_that_is_not_in_order_or_repeats_itself_is_refused(uris: list[str]) -> None:
    comparison = Comparison([entry(uri) for uri in uris], [])
    if uris == sorted(set(uris)):
        assert len(list(comparison)) == len(uris)
    else:
        with pytest.raises(ValueError, match="in order"):
            list(comparison)


def test_the_order_is_by_code_point_as_the_database_has_it() -> None:
    ordered = sorted(NASTY)
    assert ordered == sorted(NASTY, key=str.encode)
    assert list(Comparison(map(entry, ordered), map(known, ordered))) == []


def test_an_empty_listing_takes_everything_away() -> None:
    gone = list(Comparison([], [known("a"), known("b"), known("c", vanished=True)]))
    assert [difference.known.uri for difference in gone if difference.known] == ["a", "b"]
    assert all(difference.entry is None for difference in gone)


def test_differences_come_while_the_listing_is_still_read() -> None:
    read: list[str] = []

    def reading() -> Iterator[Entry]:
        for item in (entry("a"), entry("b")):
            read.append(item.uri)
            yield item

    first = next(iter(Comparison(reading(), [])))
    assert first.entry == entry("a")
    assert read == ["a"]


def test_a_listing_that_fails_reports_nothing_as_gone() -> None:
    def failing() -> Iterator[Entry]:
        yield entry("b")
        raise OSError("the network is away")

    seen: list[Difference] = []
    with pytest.raises(OSError, match="away"):
        seen.extend(Comparison(failing(), [known("b"), known("c")]))
    assert seen == []


SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND


@pytest.mark.parametrize(
    ("modified_ns", "settled"),
    [
        (None, True),
        (NOW - FINE_CLOCK_NS - 2, True),
        (NOW - FINE_CLOCK_NS + 1, False),
        (NOW - 1, False),
        (NOW - 1 * SECOND, False),
        (NOW - COARSE_CLOCK_NS, False),
        (NOW - COARSE_CLOCK_NS - SECOND, True),
        (NOW + 60 * SECOND, False),
        (NOW + 60 * SECOND + 1, False),
        (1 << 62, False),
    ],
)
def test_a_stamp_is_trusted_once_its_clock_has_moved_on(modified_ns: int | None, settled: bool) -> None:
    assert is_settled(modified_ns, NOW) is settled


def office(*members: str) -> bytes:
    """Make an archive with these members."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for member in members:
            archive.writestr(member, "<x/>")
    return made.getvalue()


def format_of(content: bytes, name: str) -> str:
    """Examine content as a file of that name."""
    return examine(io.BytesIO(content), name).format


DOCX = office("[Content_Types].xml", "word/document.xml")
XLSX = office("[Content_Types].xml", "xl/workbook.xml")
PPTX = office("[Content_Types].xml", "ppt/presentation.xml")
NOISE = random.Random(7).randbytes(1 << 16)


@pytest.mark.parametrize("path", sorted(p for p in CORPUS.rglob("*") if p.is_file()), ids=lambda p: p.name)
def test_the_formats_of_the_sample_corpus_are_told(path: Path) -> None:
    with path.open("rb") as stream:
        found = examine(stream, path.relative_to(CORPUS).as_posix())
    assert found.format == path.suffix[1:]
    assert found.size == path.stat().st_size
    assert found.digest == hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (b"# Gate", "gate.md", "md"),
        (b"# Gate", "gate.MARKDOWN", "md"),
        (b"Gate", "gate.txt", "txt"),
        (b"Gate", "README", "txt"),
        (b"Gate", "notes/v1.2/README", "txt"),
        (b"<p>Gate</p>", "gate.htm", "html"),
        (b"  \n<!DOCTYPE HTML><p>Gate", "gate.html", "html"),
        (b"a,b\n1,2\n", "gate.csv", "csv"),
        (b"From: a@example.org\nSubject: Gate\n\nHello", "gate.eml", "eml"),
        (b"%PDF-1.7\n", "gate.pdf", "pdf"),
        (DOCX, "gate.docx", "docx"),
        (XLSX, "gate.xlsx", "xlsx"),
        (PPTX, "gate.pptx", "pptx"),
    ],
)
def test_each_format_is_told(content: bytes, name: str, expected: str) -> None:
    assert format_of(content, name) == expected


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (b"%PDF-1.7\n", "gate.txt", "pdf"),
        (b"\n%PDF-1.4\n", "gate", "pdf"),
        (DOCX, "gate.md", "docx"),
        (XLSX, "gate.docx", "xlsx"),
        (PPTX, "gate.bin", "pptx"),
        (b"<html><body>Gate</body></html>", "gate.txt", "html"),
        (b"<!doctype html>\nGate", "gate.pdf", "html"),
        (b"\xef\xbb\xbf<!doctype html>\nGate", "gate.txt", "html"),
        (office("readme.txt"), "gate.docx", UNKNOWN),
        (DOCX[: len(DOCX) // 2], "gate.docx", BROKEN),
        (b"PK\x03\x04", "gate.docx", BROKEN),
        (b"{\\rtf1 Gate}", "gate.doc", "rtf"),
        (b"<?xml version='1.0'?><gate/>", "gate", "xml"),
        (b"From: gate@example.org\nSubject: Gate\n\nClosed.", "gate", "eml"),
        (PNG, "gate.jpg", "image"),
        (PNG, "gate", "image"),
        (PNG, "gate.txt", MISNAMED),
        (PNG, "gate.docx", MISNAMED),
        (b"The gate is closed.", "gate.docx", BROKEN),
    ],
)
def test_a_lying_extension_does_not_deceive(content: bytes, name: str, expected: str) -> None:
    assert format_of(content, name) == expected


@pytest.mark.parametrize("name", ["gate.txt", "gate.md", "gate.csv", "gate.html", "gate", "gate.pdf"])
@pytest.mark.parametrize(
    "content",
    [NOISE, bytes(4096), "水門".encode("utf-16-le")[1:] * 40 + bytes(40)],
    ids=["noise", "zeros", "nul-padded"],
)  # fmt: skip
def test_binary_content_is_of_no_format(content: bytes, name: str) -> None:
    assert format_of(content, name) == UNKNOWN


def test_text_with_a_stray_nul_is_still_text() -> None:
    assert format_of(b"The gate is opened" * 10 + b"\x00" + b" when the water is high." * 10, "gate.txt") == "txt"


@pytest.mark.parametrize("name", ["gate.txt", "gate.md", "gate"])
def test_an_empty_file_is_empty_text(name: str) -> None:
    found = examine(io.BytesIO(b""), name)
    assert (found.format, found.size, found.digest) == ("txt", 0, hashlib.sha256(b"").digest())


@pytest.mark.parametrize(("encoding", "mark"), [("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")])
@pytest.mark.parametrize(("name", "expected"), [("gate.txt", "txt"), ("gate.md", "md"), ("gate.csv", "csv")])
def test_utf_16_with_a_byte_order_mark_is_text(encoding: str, mark: bytes, name: str, expected: str) -> None:
    assert format_of(mark + "Gate 水門\n".encode(encoding), name) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "euc-jp", "iso-2022-jp"])
def test_japanese_text_in_any_encoding_is_text(encoding: str) -> None:
    assert format_of("水門を開ける。点検は毎月行う。\n".encode(encoding) * 50, "水門.txt") == "txt"


@PROPERTY
@given(content=st.binary(max_size=300), repeat=st.sampled_from([1, 700, 9000]), name=URIS)
def test_a_file_is_hashed_whole_whatever_it_holds(content: bytes, repeat: int, name: str) -> None:
    whole = content * repeat
    found = examine(io.BytesIO(whole), name)
    assert (found.size, found.digest) == (len(whole), hashlib.sha256(whole).digest())


def test_a_file_is_read_in_bounded_pieces() -> None:
    class Counting(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert size >= 0
            self.largest = max(self.largest, size)
            return super().read(size)

    stream = Counting(b"gate " * 1_000_000)
    assert examine(stream, "gate.txt").size == 5_000_000
    assert stream.largest <= 1 << 20


def test_the_name_decides_only_between_plain_texts() -> None:
    for name, expected in {"a.csv": "csv", "a.md": "md", "a.eml": "eml", "a.log": "txt", "a.xyz": UNKNOWN}.items():
        assert detect_format(b"a,b\n", name, io.BytesIO(b"a,b\n")) == expected
