r"""RTF whose bytes are told apart by code page: each font names its own, and pandoc takes all for Western.

A character of Japanese RTF is two bytes, written as `\'8c\'8e`, or as `\'83A` where the second one is a letter.
Both become `\u26376?`, which every reader understands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_CHARSETS = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251",
    222: "cp874", 238: "cp1250",
}  # fmt: skip
"""Numbers of \\fcharset in the RTF 1.9.1 specification, as Python's codecs."""

_PAGES = {932: "cp932", 936: "gb18030", 949: "cp949", 950: "cp950", 10000: "mac_roman", 65001: "utf-8"}
_WIDE = {"cp932", "cp949", "johab", "gb18030", "cp950", "utf-8"}

_TOKEN = re.compile(
    rb"\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?|\\(?P<symbol>[^a-zA-Z'])"
    rb"|(?P<brace>[{}])|(?P<line>[\r\n]+)|(?P<text>[^\\{}\r\n])",
    re.DOTALL,
)
_FONT = re.compile(rb"\\f(\d{1,5})\b[^{};]{0,200}?\\fcharset(\d{1,3})")
_PAGE = re.compile(rb"\\ansicpg(\d{1,5})")
_DEFAULT_FONT = re.compile(rb"\\deff(\d{1,5})")


@dataclass(frozen=True, slots=True)
class _State:
    """What a group inherits.

    Attributes:
        codec: of the font in use.
        fallback: characters after a Unicode escape that stand for it in old readers.
    """

    codec: str
    fallback: int = 1


def as_unicode(content: bytes) -> bytes:
    """Write every character of an RTF document that is not ASCII as a Unicode escape."""
    page = _PAGE.search(content[:4096])
    default = _codec_of_page(int(page.group(1))) if page else "cp1252"
    fonts = {int(number): _CHARSETS.get(int(charset), default) for number, charset in _FONT.findall(content[:500_000])}
    fonts = {number: default if codec == "cp1252" else codec for number, codec in fonts.items()}
    first = _DEFAULT_FONT.search(content[:4096])
    start = fonts.get(int(first.group(1)), default) if first else default
    return b"".join(_rewrite(content, fonts, _State(start)))


def _codec_of_page(number: int) -> str:
    return _PAGES.get(number, f"cp{number}" if f"cp{number}" in _CHARSETS.values() else "cp1252")


def _rewrite(content: bytes, fonts: dict[int, str], state: _State) -> Iterator[bytes]:
    groups: list[_State] = []
    pending = bytearray()
    skip = 0
    for token in _TOKEN.finditer(content):
        byte = _byte_of(token, state.codec, pending)
        if byte is not None and skip:
            skip -= 1
            yield token.group()
            continue
        if byte is not None and (byte >= 0x80 or pending):
            pending.append(byte)
            yield from _flush(pending, state.codec, whole=False)
            continue
        if token.group("line") and pending:
            continue
        yield from _flush(pending, state.codec, whole=True)
        if byte is None and token.group("line") is None:
            skip = 0
        if token.group("brace") == b"{":
            groups.append(state)
        elif token.group("brace") and groups:
            state = groups.pop()
        elif token.group("word"):
            state, skip = _obey(token, fonts, state)
        yield token.group()
    yield from _flush(pending, state.codec, whole=True)


def _byte_of(token: re.Match[bytes], codec: str, pending: bytearray) -> int | None:
    """Return the byte of text that a token stands for; None if it stands for none."""
    if token.group("hex"):
        return int(token.group("hex"), 16)
    if token.group("text"):
        return token.group("text")[0]
    if token.group("symbol") and pending and codec in _WIDE:  # A second byte may be a brace or a backslash.
        return token.group("symbol")[0]
    return None


def _obey(token: re.Match[bytes], fonts: dict[int, str], state: _State) -> tuple[_State, int]:
    word, number = token.group("word"), int(token.group("number") or 0)
    if word in {b"f", b"af"} and token.group("number"):
        return (replace(state, codec=fonts.get(number, state.codec)), 0) if word == b"f" else (state, 0)
    if word == b"uc":
        return replace(state, fallback=max(0, number)), 0
    return state, state.fallback if word == b"u" else 0


def _flush(pending: bytearray, codec: str, *, whole: bool) -> Iterator[bytes]:
    """Yield the escapes of the bytes gathered, once they are a character or nothing more can come."""
    if not pending:
        return
    try:
        text = bytes(pending).decode(codec)
    except UnicodeDecodeError:
        if not whole and len(pending) < 4 and codec in _WIDE:
            return
        text = bytes(pending).decode(codec, "replace")
    pending.clear()
    for unit in _units(text):
        yield b"{\\uc0\\u%d}" % (unit if unit < 0x8000 else unit - 0x10000)


def _units(text: str) -> Iterator[int]:
    encoded = text.encode("utf-16-le", "replace")
    for place in range(0, len(encoded), 2):
        yield encoded[place] | encoded[place + 1] << 8
